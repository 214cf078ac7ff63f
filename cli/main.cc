#include <fmt/format.h>

#include <cstdio>
#include <string_view>

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    fmt::print("tiderace {}\n", TIDERACE_VERSION);
    return 0;
  }
  fmt::print(stderr, "usage: tiderace --version\n");
  return 2;
}
