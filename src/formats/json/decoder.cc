#include "formats/json/decoder.h"

#include <utility>

#include "formats/json/batch_decoder.h"
#include "formats/json/instructions.h"

namespace tiderace {

struct JsonDecoder::Impl {
  json::BatchDecoder<json::Native> decoder;
};

JsonDecoder::JsonDecoder(JsonDecoderOptions options)
    : impl_(new Impl{json::BatchDecoder<json::Native>(std::move(options))}) {}
JsonDecoder::~JsonDecoder() = default;
JsonDecoder::JsonDecoder(JsonDecoder&&) noexcept = default;

Batch JsonDecoder::decode(std::shared_ptr<const Records> records, RowErrors& errors) {
  return impl_->decoder.decode(std::move(records), errors);
}

}  // namespace tiderace
