#pragma once

#include <span>
#include <string>

#include "columnar/function.h"

namespace tiderace {

/// A model of which a registry has versions, as a plan knows it.
class VersionedModel {
 public:
  virtual ~VersionedModel() = default;
  /// As the user wrote it: `models:/shaking@champion`.
  [[nodiscard]] virtual const std::string& reference() const = 0;
  /// From now on `method` is called with these features: the present version is held against them at once,
  /// others before they take over. Throws Error{plan} where it was trained on others, Error{config} where it
  /// has no such method. While a plan is built.
  virtual void require(const std::string& method, std::span<const Feature> features) = 0;
};

}  // namespace tiderace
