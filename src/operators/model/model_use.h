#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "models/model_versions.h"

namespace tiderace {

/// What a task does with a model that has versions, in the batch in hand. The task sets it between batches,
/// operators call what it names.
struct ModelUse {
  std::shared_ptr<ModelVersions> versions;
  std::string header;        ///< of records: `tiderace.model.shaking`
  std::size_t steps = 0;     ///< of the stage that call it
  LoadedModelPtr current;    ///< whose predictions go out
  LoadedModelPtr candidate;  ///< tried on the same rows, its predictions thrown away; null: there is none

  bool tried = false;   ///< the candidate took rows of this batch, and failed on none that `current` took
  std::string failure;  ///< why it failed; empty: it did not
  bool taken_over =
      false;  ///< `current` failed on rows of this batch that the candidate took: it is `current` now
};

}  // namespace tiderace
