// Runs a fuzz target without libFuzzer: every file of a corpus folder, then seeded mutations of them.
//   TARGET CORPUS_FOLDER [--seconds S] [--runs N] [--seed N]
// A run that crashes leaves its input in `fuzz-failure.bin` in the working folder.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

const char* running = nullptr;  // the input of the current run, for the signal handler
std::size_t running_size = 0;

extern "C" void save_failure(int signal) {
  const int file = open("fuzz-failure.bin", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0 && write(file, running, running_size) >= 0) {
    constexpr std::string_view told = "the input is in fuzz-failure.bin\n";
    if (write(STDERR_FILENO, told.data(), told.size()) < 0) _exit(3);
  }
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const std::string& input) {
  // A block of exactly its size, so that a sanitizer sees what is read behind it.
  const std::vector<std::uint8_t> bytes(input.begin(), input.end());
  running = input.data();
  running_size = input.size();
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

std::vector<std::string> corpus_of(const std::string& folder) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());  // the same order, so the same runs, everywhere
  std::vector<std::string> corpus;
  for (const std::string& path : paths) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return corpus;
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, std::uint64_t seed) : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string input = corpus_[below(corpus_.size())];
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  // A piece of some corpus file: what the target's own language is made of.
  std::string piece() {
    const std::string& other = corpus_[below(corpus_.size())];
    return other.substr(below(other.size()), 1 + below(below(4) == 0 ? 64 : 6));
  }

  void change(std::string& input) {
    const std::size_t at = below(input.size() + 1);
    switch (below(7)) {
      case 0:
        input.insert(at, 1, static_cast<char>(random_()));
        return;
      case 1:
        input.erase(at, 1 + below(4));
        return;
      case 2:
        if (at < input.size()) input[at] = static_cast<char>(random_());
        return;
      case 3:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << below(8));
        return;
      case 4:
        input.insert(at, piece());
        return;
      case 5:
        input.replace(at, below(8), piece());
        return;
      default:
        input.resize(at);
        return;
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int count, char** arguments) {
  double seconds = 3;
  std::uint64_t runs = UINT64_MAX;
  std::uint64_t seed = 1;
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string_view option = arguments[i];
    if (option == "--seconds") seconds = std::atof(arguments[i + 1]);
    if (option == "--runs") runs = std::strtoull(arguments[i + 1], nullptr, 10);
    if (option == "--seed") seed = std::strtoull(arguments[i + 1], nullptr, 10);
  }
  if (count < 2 || count % 2 != 0) {
    std::fprintf(stderr, "usage: %s CORPUS_FOLDER [--seconds S] [--runs N] [--seed N]\n", arguments[0]);
    return 2;
  }
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGBUS, SIGILL}) std::signal(signal, save_failure);
  const std::vector<std::string> corpus = corpus_of(arguments[1]);
  if (corpus.empty()) {
    std::fprintf(stderr, "%s holds no files; wanted at least one to begin with\n", arguments[1]);
    return 2;
  }
  for (const std::string& input : corpus) run(input);
  Mutator mutator(corpus, seed);
  std::uint64_t done = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (done < runs && std::chrono::steady_clock::now() < end) {
    run(mutator.next());
    ++done;
  }
  std::printf("%zu files and %llu mutations, seed %llu: none failed\n", corpus.size(),
              static_cast<unsigned long long>(done), static_cast<unsigned long long>(seed));
  return 0;
}
