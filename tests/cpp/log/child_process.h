#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>

namespace tiderace {

/// A child that runs a function of the test's, and a pipe that brings what it says. Killed at the end if it
/// still runs. To be made while no log is open: an open one does not survive a fork.
class ChildProcess {
 public:
  /// Writes a line to the parent.
  using Say = std::function<void(const std::string& line)>;

  explicit ChildProcess(const std::function<void(const Say&)>& work) {
    int ends[2];
    if (::pipe(ends) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("fork");
    if (pid_ == 0) {
      ::close(ends[0]);
      run(work, ends[1]);
    }
    ::close(ends[1]);
    said_ = ::fdopen(ends[0], "r");
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess() {
    kill();
    std::fclose(said_);
  }

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The next line; empty at the end of what it says.
  std::string line() {
    char text[256];
    if (std::fgets(text, sizeof text, said_) == nullptr) return "";
    std::string line = text;
    while (!line.empty() && line.back() == '\n') line.pop_back();
    return line;
  }
  void kill() {
    if (pid_ > 0 && !waited_) ::kill(pid_, SIGKILL);
    static_cast<void>(wait());
  }
  /// The exit code; -1 if it was killed.
  int wait() {
    if (!waited_) ::waitpid(pid_, &status_, 0);
    waited_ = true;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

 private:
  [[noreturn]] static void run(const std::function<void(const Say&)>& work, int out) {
    const auto say = [out](const std::string& line) {
      const std::string text = line + "\n";
      if (::write(out, text.data(), text.size()) < 0) ::_exit(3);
    };
    try {
      work(say);
      ::_exit(0);
    } catch (const std::exception& error) {
      say(std::string("error: ") + error.what());
      ::_exit(1);
    }
  }

  pid_t pid_ = -1;
  std::FILE* said_ = nullptr;
  bool waited_ = false;
  int status_ = 0;
};

}  // namespace tiderace
