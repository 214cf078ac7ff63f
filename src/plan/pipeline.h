#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "plan/plan.h"
#include "plan/schema.h"

namespace tiderace::plan {

class Frame;

/// Everything that one application has been told: its topics, its frames, and the ends that `run` will feed.
/// Shared by the application and its frames. Equal steps over equal inputs are one node, so that what two
/// branches share is computed once. One thread.
class Pipeline : public std::enable_shared_from_this<Pipeline> {
 public:
  [[nodiscard]] static std::shared_ptr<Pipeline> make();

  /// The topic of that name. Throws Error{plan} if the name or an option is no good, or the name was given
  /// other options before.
  std::shared_ptr<const Topic> topic(const std::string& name, TopicOptions options = {});
  /// All rows of `topic`. Frames of one topic share its source.
  [[nodiscard]] Frame dataframe(const std::shared_ptr<const Topic>& topic);
  /// The frame of an existing node of this pipeline.
  [[nodiscard]] Frame frame(NodePtr node);

  /// The topics in order of first mention.
  [[nodiscard]] const std::vector<std::shared_ptr<const Topic>>& topics() const noexcept { return topics_; }
  /// `ToTopic`, `ToSink` and `Print` nodes in the order in which they were written.
  [[nodiscard]] const std::vector<NodePtr>& ends() const noexcept { return ends_; }
  /// Frames that nothing reads: neither an end nor a backtest nor another frame. `run` warns of them.
  [[nodiscard]] std::vector<NodePtr> unused() const;

  /// The application that frames of this pipeline belong to, for those who know its type.
  [[nodiscard]] std::shared_ptr<void> owner() const { return owner_.lock(); }
  void set_owner(std::weak_ptr<void> owner) { owner_ = std::move(owner); }

  [[nodiscard]] Schemas& schemas() noexcept { return schemas_; }

  // What follows is for Frame and Series.

  /// The node of `step` after `input`, checked. Throws Error{plan} that begins with the step's text.
  NodePtr append(const NodePtr& input, Step step);
  /// The same for a step with hidden outputs, unless `input` has those very values already: then `input`.
  NodePtr append_once(const NodePtr& input, const Step& step);
  void add_end(const NodePtr& input, Step step);
  /// A result that the user holds in a variable.
  void add_frame(const NodePtr& node) { frames_.push_back(node); }
  void mark_used(const NodePtr& node) { used_.push_back(node); }
  /// `name`, or `name#2`, ... if another function or model has that name. Keeps `function` alive.
  std::string unique_name(const std::shared_ptr<const void>& function, const std::string& name);

 private:
  Pipeline() = default;

  std::weak_ptr<void> owner_;
  Schemas schemas_;
  std::vector<std::shared_ptr<const Topic>> topics_;
  std::unordered_map<std::string, NodePtr> nodes_;  ///< by input and identity
  std::vector<NodePtr> ends_;
  std::vector<NodePtr> frames_;
  std::vector<NodePtr> used_;
  std::map<std::string, std::vector<std::shared_ptr<const void>>> functions_;  ///< by name
};

}  // namespace tiderace::plan
