#include <tiderace/error.h>

#include <cstdio>

int main() {
  try {
    throw tiderace::Error(
        tiderace::BadRow{.step = "step 1", .topic = "t", .offset = 7, .message = "found it"});
  } catch (const tiderace::Error& error) {
    std::puts(error.bad_row()->to_string() == error.what() ? "sound" : error.what());
  }
}
