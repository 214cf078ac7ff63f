#include "runtime/observation/process_usage.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace tiderace {
namespace {

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

/// When this process began, by the clocks of now: Linux tells it since the boot of the machine.
std::optional<double> start_time() {
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  const std::size_t name_end = text.rfind(')');  // the second field may hold blanks
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string field;
  constexpr int start_field = 22;
  for (int i = 3; i < start_field; ++i) fields >> field;
  double ticks = 0;
  timespec since_boot{};
  if (!(fields >> ticks) || ::clock_gettime(CLOCK_BOOTTIME, &since_boot) != 0) return std::nullopt;
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const double age = static_cast<double>(since_boot.tv_sec) + static_cast<double>(since_boot.tv_nsec) / 1e9 -
                     ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  return now - age;
}

}  // namespace

ProcessUsage process_usage() {
  ProcessUsage usage;
  rusage used{};
  if (::getrusage(RUSAGE_SELF, &used) == 0)
    usage.cpu_seconds = seconds(used.ru_utime) + seconds(used.ru_stime);
  static const std::optional<double> start = start_time();
  usage.start_time_seconds = start;
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  std::uint64_t virtual_pages = 0;
  std::uint64_t resident_pages = 0;
  if (std::ifstream file("/proc/self/statm"); file >> virtual_pages >> resident_pages) {
    usage.virtual_memory_bytes = virtual_pages * page;
    usage.resident_memory_bytes = resident_pages * page;
  }
  std::error_code failure;
  const std::filesystem::directory_iterator files("/proc/self/fd", failure);
  if (!failure) usage.open_files = static_cast<std::uint64_t>(std::distance(begin(files), end(files)));
  return usage;
}

}  // namespace tiderace
