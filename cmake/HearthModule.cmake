# hearth_module(<name> [DEPS <modules>…] [LIBS <targets>…] [SOURCES <extra files>…])
#
# One folder under src/ is one static library `hearth_<name>`. Beside its sources stand
# `x_test.cc` (all of them make the executable `<name>_test`) and `x_fuzz.cc` (one libFuzzer
# target each, in the fuzz preset).
function(hearth_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;SOURCES;TEST_LIBS" ${ARGN})
  file(GLOB all CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cc)
  set(tests ${all})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  set(fuzzers ${all})
  list(FILTER fuzzers INCLUDE REGEX "_fuzz\\.cc$")
  set(sources ${all})
  list(FILTER sources EXCLUDE REGEX "(_test|_fuzz)\\.cc$")

  if(NOT sources AND NOT ARG_SOURCES)
    message(STATUS "Module ${name} has no sources yet.")
    return()
  endif()

  list(TRANSFORM ARG_DEPS PREPEND hearth_)
  add_library(hearth_${name} STATIC ${sources} ${ARG_SOURCES})
  target_include_directories(hearth_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(hearth_${name} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wthread-safety -Werror=return-type>)
  target_link_libraries(hearth_${name} PUBLIC ${ARG_DEPS} ${ARG_LIBS} Threads::Threads)

  if(HEARTH_TESTS AND tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE hearth_${name} ${ARG_TEST_LIBS}
                          GTest::gtest GTest::gmock GTest::gtest_main)
    target_compile_definitions(${name}_test PRIVATE HEARTH_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    add_test(NAME ${name}_test COMMAND ${name}_test)
    set_tests_properties(${name}_test PROPERTIES TIMEOUT 300)
  endif()
  if(HEARTH_FUZZ)
    foreach(fuzzer ${fuzzers})
      get_filename_component(target ${fuzzer} NAME_WE)
      add_executable(${target} ${fuzzer})
      target_link_libraries(${target} PRIVATE hearth_${name} ${ARG_TEST_LIBS})
      target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    endforeach()
  endif()
endfunction()
