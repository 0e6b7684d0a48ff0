# The Debian package: scripts/package, or cpack in the build folder. What is installed where stands
# in packaging/.
set(packaging ${CMAKE_SOURCE_DIR}/packaging)
set(made ${CMAKE_BINARY_DIR}/packaging)

# Debian wants manual pages and changelogs compressed, without the time of day in them.
function(hearth_compressed source target)
  file(MAKE_DIRECTORY ${made})
  execute_process(COMMAND gzip -9nc ${source} OUTPUT_FILE ${made}/${target} COMMAND_ERROR_IS_FATAL ANY)
  set_property(DIRECTORY ${CMAKE_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endfunction()
hearth_compressed(${packaging}/hearth.1 hearth.1.gz)
hearth_compressed(${packaging}/changelog changelog.gz)

install(TARGETS hearth RUNTIME DESTINATION bin)
install(FILES ${packaging}/hearth.toml DESTINATION /etc/hearth)
install(FILES ${packaging}/hearth.service DESTINATION /lib/systemd/system)
install(FILES ${packaging}/copyright ${made}/changelog.gz DESTINATION share/doc/hearth)
install(FILES ${CMAKE_SOURCE_DIR}/README.md ${CMAKE_SOURCE_DIR}/docs/install.md
              ${CMAKE_SOURCE_DIR}/docs/tls.md ${CMAKE_SOURCE_DIR}/docs/backup.md
              ${CMAKE_SOURCE_DIR}/docs/operating.md ${CMAKE_SOURCE_DIR}/docs/alerts.yml
        DESTINATION share/doc/hearth)
install(FILES ${made}/hearth.1.gz DESTINATION share/man/man1)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME hearth)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The Hearth authors <hearth@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "self-hosted hub for models and datasets")
set(CPACK_PACKAGE_DESCRIPTION
    "Serves the HTTP API and the git, Git LFS and Xet protocols of a hosted model
hub, so that huggingface_hub, datasets, transformers and git work with it
unchanged once HF_ENDPOINT names it. Data stay on this machine.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# git does the wire protocol.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, git")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "nginx, postgresql")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${packaging}/debian/postinst ${packaging}/debian/prerm ${packaging}/debian/postrm
    ${packaging}/debian/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
