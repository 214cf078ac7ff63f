// writer DIRECTORY: for each line NUMBER on standard input appends so many rows to `phone-data`, a few at a
// time, and goes on at the next line with the rows that follow.

#include <tiderace/tiderace.h>

#include <cstdio>
#include <iostream>

#include "rows.h"

int main(int argc, char** argv) try {
  if (argc < 2) return 2;
  tiderace::Application app(
      {.broker_address = std::string("embedded:") + argv[1], .consumer_group = "writer"});
  auto producer = app.get_producer();
  std::uint64_t next = 0;
  for (std::uint64_t rows = 0; std::cin >> rows;) {
    for (const std::uint64_t end = next + rows; next < end; ++next) {
      const crash::PhoneRow row = crash::phone_row(next);
      producer.produce({.topic = "phone-data",
                        .key = row.rider,
                        .value = row.text,
                        .timestamp = static_cast<std::int64_t>(next)});
      if (crash::mixed(next) % 20 == 0) producer.flush();
    }
    producer.flush();
  }
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
