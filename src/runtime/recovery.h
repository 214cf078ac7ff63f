#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "runtime/stage.h"

namespace tiderace {

/// Opens the store of a task and brings it up to what is committed: local state, then the changelog's tail,
/// in bulk. An absent or empty directory restores from the start of the changelog. Throws Error{state} if the
/// local state belongs to another log, Error{config} if the changelog is another application's or
/// has no such partition. Null if `stopped` said so on the way: what is restored by then stays, and the next
/// start goes on from there. Any thread, one a partition.
[[nodiscard]] std::unique_ptr<StateStore> restore(const RuntimeContext& context, const Stage& stage,
                                                  const TopicPartition& partition,
                                                  const std::function<bool()>& stopped);

struct OpenedState {
  std::unique_ptr<StateStore> store;
  std::shared_ptr<const Records> first;  ///< what its changelog begins with; null: nothing that is committed
};

/// Opens the store of a partition whose changelog has `offsets`, and checks that it belongs to it, as
/// `restore` does. What a store holds that is older than changelogs keep deletions is forgotten: a key that
/// was deleted since would never go.
[[nodiscard]] OpenedState open_state(const RuntimeContext& context, const TopicPartition& partition,
                                     StateStores& stores, std::pair<std::int64_t, std::int64_t> offsets);

/// How long ago a store may have had all of its changelog, to go on from there: half of the time that the
/// changelog keeps deletions. The other half is for the reading.
[[nodiscard]] std::int64_t most_age_ms(const RuntimeContext& context, const TopicPartition& changelog);

/// Brings a store on by what its changelog has next. `as_of_ms`: when that was its end, nullopt if it has
/// more.
void apply_changelog(StateStore& store, const Records& records, std::optional<std::int64_t> as_of_ms);

/// Makes the identity of the changelog the first thing that the first checkpoint writes into it.
void add_identity(const RuntimeContext& context, const Stage& stage, StateStore& store,
                  std::vector<Change>& changes);

/// Logs which steps of `stage` find no state in `store` though others do or find what they left when they
/// were last part of the plan, and which states have no step any more; none of it is an error. Writes the
/// present list on the next checkpoint through `changes`.
void compare_step_names(const Stage& stage, StateStore& store, std::vector<Change>& changes);

/// Creates the changelog and checks that it has as many partitions as the input topic. Throws Error{config}
/// otherwise.
void prepare_changelog(const RuntimeContext& context, const Stage& stage);

}  // namespace tiderace
