# The official BLAKE3 C library, compiled from where Debian's librust-blake3-dev installs it.
# Neither a copy nor a download: the package's c/ folder holds the C and assembly sources.
file(GLOB HEARTH_BLAKE3_PLACES /usr/share/cargo/registry/blake3-*/c)
find_path(BLAKE3_C_DIR NAMES blake3_dispatch.c PATHS ${HEARTH_BLAKE3_PLACES} NO_DEFAULT_PATH
          DOC "Folder with blake3.c, blake3.h and the assembly files")
if(NOT BLAKE3_C_DIR)
  message(FATAL_ERROR "BLAKE3's C sources were not found. Install the Debian package "
                      "librust-blake3-dev, or set BLAKE3_C_DIR to a folder that holds blake3.c.")
endif()

set(HEARTH_BLAKE3_SOURCES blake3.c blake3_dispatch.c blake3_portable.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND HEARTH_BLAKE3_SOURCES
       blake3_sse2_x86-64_unix.S blake3_sse41_x86-64_unix.S
       blake3_avx2_x86-64_unix.S blake3_avx512_x86-64_unix.S)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  list(APPEND HEARTH_BLAKE3_SOURCES blake3_neon.c)
endif()
list(TRANSFORM HEARTH_BLAKE3_SOURCES PREPEND ${BLAKE3_C_DIR}/)

add_library(hearth_blake3 STATIC ${HEARTH_BLAKE3_SOURCES})
target_include_directories(hearth_blake3 SYSTEM PUBLIC ${BLAKE3_C_DIR})
# Hashing is hot and not ours to debug: optimised in every preset.
target_compile_options(hearth_blake3 PRIVATE $<$<COMPILE_LANGUAGE:C>:-O2>)
set_source_files_properties(${HEARTH_BLAKE3_SOURCES} PROPERTIES SKIP_LINTING ON)
