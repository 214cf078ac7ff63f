#include <tiderace/error.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plan/parse/parse.h"
#include "plan/plan_text.h"

/// Any text either builds a plan, which then prints and parses as itself, or is an Error of kind plan.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t longest = 4096;
  if (size > longest) return 0;
  using namespace tiderace;
  const auto print = [](std::string_view text) {
    const auto pipeline = plan::Pipeline::make();
    const plan::Frame frame = plan::parse_plan(pipeline, text);
    std::vector<NodePtr> ends = pipeline->ends();
    if (ends.empty()) ends.push_back(frame.node());
    return plan_text(ends);
  };
  std::string once;
  try {
    once = print(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::plan) std::abort();
    return 0;
  }
  if (print(once) != once) std::abort();
  return 0;
}
