#include "log/embedded/embedded_files.h"

#include <sys/stat.h>

#include <filesystem>

#include "base/error.h"
#include "log/embedded/file_lock.h"
#include "log/embedded/schema.h"
#include "log/topic_rules.h"

namespace tiderace {
namespace {

constexpr std::size_t max_idle_connections = 8;

void make_directory(const std::string& directory) {
  std::error_code failure;
  std::filesystem::create_directories(directory, failure);
  if (failure) {
    throw_error(ErrorKind::broker,
                "cannot make the embedded log's directory {}: {}; name one that this user can write",
                directory, failure.message());
  }
}

/// Which file has the name; none: 0.
std::pair<dev_t, ino_t> file_at(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return {};
  return {found.st_dev, found.st_ino};
}

}  // namespace

EmbeddedFiles::EmbeddedFiles(const std::string& directory, const EmbeddedOptions& options, Clock& clock)
    : directory_(directory), options_(options), clock_(clock) {
  make_directory(directory_ + "/groups");
  const FileLock opening = FileLock::acquire(directory_ + "/open.lock");
  {
    // The file is checked before anything else in it is touched.
    Database database(
        {.path = directory_ + "/log.db", .vfs = options_.vfs, .busy_timeout = options_.busy_timeout});
    prepare_schema(database);
    file_ = file_at(database.path());
    idle_.push_back(connect());
  }
  wake_ = std::make_unique<WakeCounter>(directory_ + "/wake");
  groups_ = std::make_unique<GroupLocks>(directory_ + "/groups", options_.group_lock_timeout, clock_);
}

std::unique_ptr<Connection> EmbeddedFiles::connect() const {
  const std::string path = directory_ + "/log.db";
  // What is remembered of this file, such as its topics' numbers, is not true of another one.
  const auto check = [&] {
    if (file_at(path) != file_) throw_moved(path);
  };
  check();
  auto connection = std::make_unique<Connection>(
      DatabaseOptions{.path = path,
                      .vfs = options_.vfs,
                      .busy_timeout = options_.busy_timeout,
                      .sync_every_commit = options_.durability == Durability::full});
  check();
  return connection;
}

EmbeddedFiles::Lease::Lease(EmbeddedFiles& owner) : files(owner) {
  {
    const std::lock_guard lock(files.mutex_);
    if (!files.idle_.empty()) {
      connection = std::move(files.idle_.back());
      files.idle_.pop_back();
    }
  }
  if (connection == nullptr) connection = files.connect();
}

EmbeddedFiles::Lease::~Lease() {
  const std::lock_guard lock(files.mutex_);
  if (files.idle_.size() < max_idle_connections) files.idle_.push_back(std::move(connection));
}

std::optional<StoredTopic> EmbeddedFiles::find_topic(const std::string& name) {
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = topics_.find(name); found != topics_.end()) return found->second;
  }
  auto stored = with_connection([&](Connection& connection) { return connection.table.topic(name); });
  if (stored) {
    const std::lock_guard lock(mutex_);
    topics_.emplace(name, *stored);
  }
  return stored;
}

StoredTopic EmbeddedFiles::topic(const std::string& name) {
  auto found = find_topic(name);
  if (!found) throw_unknown_topic(name);
  return std::move(*found);
}

bool EmbeddedFiles::create_topic(const std::string& name, const TopicConfig& config) {
  check_topic_name(name);
  const TopicConfig checked = checked_topic_config(name, config);
  if (find_topic(name)) return false;
  const bool created = with_connection([&](Connection& connection) {
    const std::lock_guard lock(write_mutex_);
    Transaction transaction(connection.database, Transaction::Kind::write);
    if (connection.table.topic(name)) return false;
    connection.table.create_topic({name, checked});
    transaction.commit();
    return true;
  });
  if (created) wake_->raise();
  return created;
}

}  // namespace tiderace
