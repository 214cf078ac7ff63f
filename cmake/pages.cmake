# tiderace_install_pages(FOLDER [OPTIONS...]): the pages of ./dev web, to where the gateway looks for them; options as of
# install(). They may be built after this is configured, so whether they are there is known as late as they are installed.
function(tiderace_install_pages folder)
  set(pages ${PROJECT_SOURCE_DIR}/web/dist)
  install(CODE "if(NOT EXISTS \"${pages}/index.html\")
  message(WARNING \"${pages} has no pages, so that what is installed has no dashboard and no phone page; \"
    \"./dev web builds them\")
endif()" ${ARGN})
  install(DIRECTORY ${pages}/ DESTINATION ${folder} ${ARGN} OPTIONAL)
endfunction()
