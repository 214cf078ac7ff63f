#include "log/kafka/security/security.h"

#include <tiderace/security.h>

#include <cmath>
#include <memory>

#include "base/error.h"
#include "bindings.h"
#include "exceptions.h"
#include "held.h"

namespace tiderace::python {
namespace {

constexpr const char* about =
    R"(How Kafka's brokers and this program know each other: TLS, passwords, tokens, Kerberos.

What is left out is taken from the environment variables `TIDERACE_SECURITY_PROTOCOL`,
`TIDERACE_SECURITY_PASSWORD` and so on, as far as it goes with the protocol and the mechanism.

Parameters
----------
protocol : str
    `"PLAINTEXT"`, `"SSL"`, `"SASL_PLAINTEXT"` or `"SASL_SSL"`.
mechanism : str
    Of SASL: `"PLAIN"`, `"SCRAM-SHA-256"`, `"SCRAM-SHA-512"`, `"OAUTHBEARER"` or `"GSSAPI"` (Kerberos).
username, password : str
    PLAIN and SCRAM.
token : function
    OAUTHBEARER: returns a JWT as a str; or a tuple of the token, its end in seconds since 1970 and, where
    wanted, the principal and a dict of extensions. It is called on a thread of its own, at the beginning and
    before the last token expires. What it raises is the reason of the `BrokerError` that follows, unless
    the last token still holds.
principal, keytab, service_name : str or path
    GSSAPI: who this program is, the file with its keys (default: tickets that somebody else renews), and
    the brokers' principal up to the slash (default: `kafka`).
ca_location, ca_pem : str or path, str
    TLS: those who may vouch for brokers, as a PEM file or as text. Default: the system's.
certificate_location, certificate_pem, key_location, key_pem, key_password : str or path, str
    TLS: this program's own certificate and its key (mutual TLS), as PEM files or as text.
verify_hostname : bool
    TLS: whether the broker's certificate has to have the name that it was reached by. Default: True.

Raises
------
ConfigError
    For a setting that is not there. `Application` raises it for settings that do not go together.

Notes
-----
No text of Tiderace has a password, key or token in it. An object cannot be pickled, and shows no secret.

Examples
--------
>>> tr.KafkaSecurity(protocol="SASL_SSL", mechanism="SCRAM-SHA-512", username="ada", password="of ada")
KafkaSecurity(SASL_SSL, SCRAM-SHA-512, username "ada", password hidden)
)";

/// A str, bytes or a path. Says nothing of the value where it is none.
std::string text_of(nb::handle value, const std::string& name) {
  const nb::object text = nb::steal(PyOS_FSPath(value.ptr()));
  if (!text.is_valid()) {
    PyErr_Clear();
  } else if (PyBytes_Check(text.ptr())) {
    return {PyBytes_AS_STRING(text.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(text.ptr()))};
  } else {
    Py_ssize_t size = 0;
    const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (bytes != nullptr) return {bytes, static_cast<std::size_t>(size)};
    PyErr_Clear();
  }
  throw_error(ErrorKind::config, "security: {}: wanted text, found {}", name,
              nb::cast<std::string>(value.type().attr("__name__")));
}

SecurityToken token_of(const nb::object& given) {
  if (!PyTuple_Check(given.ptr())) return {.value = text_of(given, "what token returned")};
  const std::size_t size = nb::len(given);
  double seconds = 0;
  if (size < 2 || size > 4 || !nb::try_cast(given[1], seconds) || !std::isfinite(seconds) ||
      std::abs(seconds) > 9e9) {
    throw Error(ErrorKind::config,
                "security: token: wanted a JWT, or (token, seconds since 1970) and after that a principal "
                "and a dict");
  }
  SecurityToken token{.value = text_of(given[0], "the token")};
  const std::chrono::nanoseconds end(std::llround(seconds * 1e9));
  token.expires_at = std::chrono::system_clock::time_point(end);
  if (size > 2) token.principal = text_of(given[2], "the principal of a token");
  if (size > 3) {
    for (const auto& [name, value] : nb::cast<nb::dict>(given[3]))
      token.extensions[text_of(name, "an extension")] = text_of(value, "an extension");
  }
  return token;
}

std::function<SecurityToken()> token_function(nb::handle function) {
  if (PyCallable_Check(function.ptr()) == 0)
    throw Error(ErrorKind::config, "security: token: wanted a function that returns a token");
  return [held = std::make_shared<Held>(nb::borrow(function))]() -> SecurityToken {
    if (!nb::is_alive()) throw Error(ErrorKind::broker, "Python has ended");
    const nb::gil_scoped_acquire gil;
    try {
      return token_of(held->get()());
    } catch (nb::python_error& error) {
      throw_error(ErrorKind::broker, "{}", describe_exception(error, held->get()));
    }
  };
}

void construct(KafkaSecurity* self, const nb::kwargs& given) {
  KafkaSecurity security;
  for (const auto& [key, value] : given) {
    const auto name = nb::cast<std::string>(key);
    if (value.is_none()) continue;
    if (name == "token") {
      security.token = token_function(value);
    } else if (name == "verify_hostname") {
      bool verify = true;
      if (!nb::try_cast(value, verify))
        throw Error(ErrorKind::config, "security: verify_hostname: wanted True or False");
      security.verify_hostname = verify;
    } else if (std::string* text = text_setting(security, name)) {
      *text = text_of(value, name);
    } else {
      throw_error(ErrorKind::config, "security: there is no setting {}; there are {}", name, setting_names());
    }
  }
  new (self) KafkaSecurity(std::move(security));
}

}  // namespace

void bind_security(nb::module_& module) {
  nb::class_<KafkaSecurity>(module, "KafkaSecurity", about)
      .def("__init__", &construct,
           nb::sig("def __init__(self, *, protocol: str | None = None, mechanism: str | None = None, "
                   "username: str | None = None, password: str | None = None, "
                   "token: collections.abc.Callable[[], str | tuple[typing.Any, ...]] | None = None, "
                   "principal: str | None = None, keytab: str | os.PathLike[str] | None = None, "
                   "service_name: str | None = None, ca_location: str | os.PathLike[str] | None = None, "
                   "ca_pem: str | bytes | None = None, certificate_location: str | os.PathLike[str] | None = "
                   "None, "
                   "certificate_pem: str | bytes | None = None, key_location: str | os.PathLike[str] | None "
                   "= None, "
                   "key_pem: str | bytes | None = None, key_password: str | None = None, "
                   "verify_hostname: bool | None = None) -> None"))
      .def("__repr__",
           [](const KafkaSecurity& security) { return "KafkaSecurity(" + to_string(security) + ")"; });
}

}  // namespace tiderace::python
