#include <tiderace/application.h>
#include <tiderace/producer.h>

#include <optional>
#include <utility>

#include "arguments.h"
#include "base/error.h"
#include "bindings.h"
#include "python_to_json.h"

namespace tiderace::python {
namespace {

class Producer {
 public:
  explicit Producer(TopicProducer producer) : producer_(std::move(producer)) {}
  ~Producer() {
    // It waits for the log's threads, one of which may want the GIL for a function that gives tokens.
    const nb::gil_scoped_release release;
    producer_.reset();
  }

  void produce(const std::string& topic, nb::handle key, nb::handle value,
               std::optional<std::int64_t> timestamp, nb::handle headers) {
    const std::optional<std::string> key_bytes =
        key.is_none() ? std::nullopt : std::optional(bytes_of(key, "key"));
    const std::optional<std::string> value_bytes = value_of(value);
    const ProduceOptions record{topic, key_bytes, value_bytes, timestamp, headers_of(headers)};
    TopicProducer& producer = open();
    const nb::gil_scoped_release release;
    producer.produce(record);
  }

  void flush() {
    TopicProducer& producer = open();
    const nb::gil_scoped_release release;
    producer.flush();
  }

  void close() {
    if (!producer_) return;
    flush();
    const nb::gil_scoped_release release;
    producer_.reset();
  }

 private:
  static std::optional<std::string> value_of(nb::handle value) {
    if (value.is_none()) return std::nullopt;
    if (nb::isinstance<nb::str>(value) || PyBytes_Check(value.ptr()) != 0) return bytes_of(value, "value");
    std::string json;
    try {
      append_json(json, value, NotFinite::as_null);
    } catch (const UnfitValue& unfit) {
      throw_error(ErrorKind::config, "value: {}", unfit.message);
    }
    return json;
  }

  TopicProducer& open() {
    if (!producer_) throw Error(ErrorKind::config, "the producer is closed; use it inside its `with` block");
    return *producer_;
  }

  std::optional<TopicProducer> producer_;
};

}  // namespace

void bind_producer(nb::module_& module) {
  nb::class_<Producer>(module, "Producer")
      .def(
          "__init__",
          [](Producer* self, Application& application) {
            const nb::gil_scoped_release release;  // the log may have to be waited for
            new (self) Producer(application.get_producer());
          },
          nb::arg("application"))
      .def(
          "produce", &Producer::produce, nb::arg("topic"), nb::arg("key").none(), nb::arg("value").none(),
          nb::arg("timestamp").none(), nb::arg("headers").none(),
          nb::sig("def produce(self, topic: str, key: object, value: object, timestamp: int | None, headers: "
                  "object) -> None"))
      .def("flush", &Producer::flush)
      .def("close", &Producer::close);
}

}  // namespace tiderace::python
