#include "log/embedded/group_lock.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "base/error.h"
#include "base/logging.h"
#include "log/crc32c.h"

namespace tiderace {
namespace {

constexpr std::size_t max_encoded_bytes = 200;
constexpr std::string_view group_remedy =
    "one process at a time may consume as a group of the embedded log: stop that process, or take another "
    "consumer_group (a gateway: another id in gateway.toml)";
constexpr std::string_view id_remedy =
    "one producer at a time has a transactional id: let go of that one first, or take another id (a "
    "gateway: another id in gateway.toml)";

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

std::string describe_self(Clock& clock) {
  return fmt::format("process {} since {:%Y-%m-%dT%H:%M:%SZ}", ::getpid(),
                     fmt::gmtime(static_cast<std::time_t>(clock.wall_ms() / 1000)));
}

/// Who holds the lock at `path`. One that has just got it says who it is in a moment.
std::string holder_of(const std::string& path) {
  constexpr std::chrono::milliseconds nap(2);
  constexpr int naps = 100;
  for (int i = 0; i < naps; ++i) {
    if (std::string holder = FileLock::read(path); !holder.empty()) return holder;
    std::this_thread::sleep_for(nap);
  }
  return "another process";
}

/// Lets go of a lock, and of the name in it.
void release(const FileLock* lock) noexcept {
  try {
    lock->write("");
  } catch (const Error& error) {
    log(LogLevel::debug, "{}", error.what());  // the next owner writes its own
  }
  delete lock;
}

}  // namespace

std::string lock_file_name(const std::string& group) {
  std::string name;
  for (const char c : group) {
    if (is_plain(c))
      name.push_back(c);
    else
      name += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  if (name.size() > max_encoded_bytes)
    name = fmt::format("{}%{:08x}", name.substr(0, max_encoded_bytes), crc32c(group));
  return name + ".lock";
}

GroupLocks::GroupLocks(std::string directory, std::chrono::nanoseconds timeout, Clock& clock)
    : directory_(std::move(directory)), timeout_(timeout), clock_(clock) {}

std::shared_ptr<const FileLock> GroupLocks::acquire(const std::string& group, const std::atomic<bool>* stop) {
  const std::lock_guard guard(mutex_);
  if (auto lock = held_[group].lock()) return lock;
  return take(group, {"consumer group " + group, group_remedy}, stop);
}

std::shared_ptr<const FileLock> GroupLocks::acquire_id(const std::string& transactional_id) {
  // No group is called so: their names have no spaces.
  const std::string name = "transactional-id " + transactional_id;
  const Claim claim{"transactional id " + transactional_id, id_remedy};
  const std::lock_guard guard(mutex_);
  if (!held_[name].expired())
    throw_error(ErrorKind::broker, "{} is held by another producer of this application; {}", claim.what,
                claim.remedy);
  return take(name, claim, nullptr);
}

std::shared_ptr<const FileLock> GroupLocks::take(const std::string& name, const Claim& claim,
                                                 const std::atomic<bool>* stop) {
  auto found = wait_for(claim, directory_ + "/" + lock_file_name(name), stop);
  if (!found) return nullptr;
  const std::shared_ptr<const FileLock> lock(new FileLock(std::move(*found)), release);
  lock->write(describe_self(clock_));
  held_[name] = lock;
  return lock;
}

std::optional<std::string> GroupLocks::holder(const std::string& group) {
  const std::string path = directory_ + "/" + lock_file_name(group);
  // To try is to have it for a moment; a lock file that is not there is nobody's.
  if (!std::filesystem::exists(path) || FileLock::try_acquire(path)) return std::nullopt;
  return holder_of(path);
}

std::optional<FileLock> GroupLocks::wait_for(const Claim& claim, const std::string& path,
                                             const std::atomic<bool>* stop) {
  constexpr std::chrono::nanoseconds nap = std::chrono::milliseconds(2);
  for (std::chrono::nanoseconds waited{0};; waited += nap) {
    if (auto lock = FileLock::try_acquire(path)) return lock;
    if (stop != nullptr && stop->load(std::memory_order_relaxed)) return std::nullopt;
    const auto timeout = std::chrono::duration<double>(timeout_).count();
    if (waited >= timeout_) {
      throw_error(ErrorKind::broker, "{} is held by {} (lock {}), also after waiting {:g} s; {}", claim.what,
                  holder_of(path), path, timeout, claim.remedy);
    }
    if (waited.count() == 0) {
      log(LogLevel::warning, "{} is held by {}; waiting up to {:g} s for it", claim.what, holder_of(path),
          timeout);
    }
    std::this_thread::sleep_for(nap);
  }
}

}  // namespace tiderace
