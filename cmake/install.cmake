# What `cmake --install` puts down: the shared library, the public headers, the command line, and the files of
# `find_package(tiderace)`, which gives the target `tiderace::tiderace` and asks for nothing else.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

tiderace_library(tiderace_shared SHARED)
set_target_properties(tiderace_shared PROPERTIES
  OUTPUT_NAME tiderace
  EXPORT_NAME tiderace
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS ${PROJECT_SOURCE_DIR}/cmake/exports.map)
target_link_options(tiderace_shared PRIVATE
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map -Wl,-z,defs -Wl,--as-needed)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/tiderace)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/tiderace-config-version.cmake COMPATIBILITY SameMinorVersion)
install(TARGETS tiderace_shared EXPORT tiderace)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/tiderace DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT tiderace NAMESPACE tiderace:: FILE tiderace-config.cmake DESTINATION ${package_folder})
install(FILES ${PROJECT_BINARY_DIR}/tiderace-config-version.cmake DESTINATION ${package_folder})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(TARGETS tiderace_command)
tiderace_install_pages(${CMAKE_INSTALL_DATADIR}/tiderace/web)
