#include "app/settings.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include <CLI/CLI.hpp>

#include "base/error.h"
#include "base/fs.h"
#include "base/text.h"
#include "hub/ledger.h"

namespace hearth::app {
namespace {

// One a line, by the comma after the last one.
constexpr auto kFileKeys = std::to_array<std::string_view>({
    "access-log",
    "anonymous-read",
    "chunk-lfs-uploads",
    "data",
    "database",
    "drain-wait-s",
    "gc-delay-hours",
    "gc-interval-hours",
    "gc-xorb-delay-days",
    "lfs-part-bytes",
    "listen",
    "listen-http",
    "log-format",
    "log-level",
    "metrics-token",
    "org-quota",
    "pool-threads",
    "public-url",
    "rate-limit-api",
    "rate-limit-git",
    "rate-limit-login",
    "rate-limit-pages",
    "rate-limit-poll",
    "rate-limit-resolvers",
    "rate-limit-transfers",
    "rate-limit-window-s",
    "redirect-http",
    "scrub-days",
    "scrub-mb-per-s",
    "slow-request-ms",
    "tls-cert",
    "tls-key",
    "trust-checked-s",
    "trust-forwarded",
    "undelete-days",
    "user-quota",
});

constexpr const char* kDefaultData = "./data";
/// What the Debian package installs.
constexpr const char* kSystemConfig = "/etc/hearth/hearth.toml";

/// The value of `--name VALUE` or `--name=VALUE`, before the real parser runs.
std::string early_option(int argc, const char* const* argv, std::string_view name) {
  for (int i = 1; i < argc; ++i) {
    std::string_view argument = argv[i];
    if (argument == name && i + 1 < argc) return argv[i + 1];
    if (argument.starts_with(name) && argument.substr(name.size()).starts_with('=')) {
      return std::string(argument.substr(name.size() + 1));
    }
  }
  return {};
}

std::string environment(const char* name, std::string fallback) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : std::move(fallback);
}

}  // namespace

void load_config_file(int argc, const char* const* argv) {
  std::string path = early_option(argc, argv, "--config");
  if (path.empty()) path = environment("HEARTH_CONFIG", "");
  bool named = !path.empty();
  if (!named) {
    std::string data = early_option(argc, argv, "--data");
    if (data.empty()) data = environment("HEARTH_DATA", "");
    if (data.empty() && !fs::exists(kDefaultData) && fs::exists(kSystemConfig)) {
      path = kSystemConfig;
    } else {
      path = (fs::path(data.empty() ? kDefaultData : data) / "hearth.toml").string();
    }
  }
  if (!fs::exists(path)) {
    if (named)
      throw Error(ErrorKind::kInvalid, "The configuration file " + path + " is not there.");
    return;
  }
  std::vector<CLI::ConfigItem> items;
  try {
    items = CLI::ConfigTOML().from_file(path);
  } catch (const CLI::Error& error) {
    throw Error(ErrorKind::kInvalid, "The configuration file " + path + ": " + error.what());
  }
  for (const CLI::ConfigItem& item : items) {
    std::string key = replace_all(item.name, "_", "-");
    if (!item.parents.empty() || item.inputs.size() != 1 ||
        std::find(kFileKeys.begin(), kFileKeys.end(), key) == kFileKeys.end()) {
      throw Error(ErrorKind::kInvalid, "The configuration file " + path + ": '" + item.fullname() +
                                           "' is not a setting. Run 'hearth serve --help'.");
    }
    std::string variable = "HEARTH_" + replace_all(key, "-", "_");
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    ::setenv(variable.c_str(), item.inputs[0].c_str(), /*overwrite=*/0);
  }
}

std::string Settings::database_url() const {
  if (!database.empty()) return database;
  return "sqlite:" + (data_dir / "hearth.db").string();
}

void add_common_options(CLI::App& command, Settings& settings) {
  // Read by load_config_file before the options are parsed; named here for --help.
  command
      .add_option("--config", settings.config_file,
                  "The configuration file (default: DATA/hearth.toml, or /etc/hearth/hearth.toml)")
      ->envname("HEARTH_CONFIG");
  command.add_option("--data", settings.data_dir, "The folder that holds everything")
      ->envname("HEARTH_DATA")
      ->capture_default_str();
  command
      .add_option("--database", settings.database,
                  "sqlite:PATH or postgresql://USER:PASSWORD@HOST/NAME (default: DATA/hearth.db)")
      ->envname("HEARTH_DATABASE");
  command.add_option("--log-level", settings.log_level, "debug, info, warning or error")
      ->envname("HEARTH_LOG_LEVEL")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command.add_option("--log-format", settings.log_format, "text, or json: one object a line")
      ->envname("HEARTH_LOG_FORMAT")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

void add_undelete_option(CLI::App& command, Settings& settings) {
  command
      .add_option("--undelete-days", settings.undelete_days,
                  "How long a repository that is deleted now can be brought back; 0: not at all")
      ->envname("HEARTH_UNDELETE_DAYS")
      ->check(CLI::Range(0, 3650))
      ->capture_default_str();
}

void add_gc_options(CLI::App& command, Settings& settings) {
  command
      .add_option("--gc-delay-hours", settings.gc_delay_hours,
                  "How long a large file is kept that no commit names")
      ->envname("HEARTH_GC_DELAY_HOURS")
      ->check(CLI::Range(0, 87'600))
      ->capture_default_str();
  command
      .add_option(
          "--gc-xorb-delay-days", settings.gc_xorb_delay_days,
          "How long stored chunks are kept after their last use; clients that uploaded them "
          "count on 21 days")
      ->envname("HEARTH_GC_XORB_DELAY_DAYS")
      ->check(CLI::Range(0, 3650))
      ->capture_default_str();
}

void add_rate_options(CLI::App& command, api::RateLimits& limits) {
  command
      .add_option("--rate-limit-window-s", limits.window_s,
                  "The seconds in which the requests of the --rate-limit-… settings may be made")
      ->envname("HEARTH_RATE_LIMIT_WINDOW_S")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  const auto add = [&](std::string_view name, api::RateQuota& quota, std::string_view of_what) {
    std::string variable = "HEARTH_RATE_LIMIT_" + std::string(name);
    std::transform(variable.begin(), variable.end(), variable.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    command
        .add_option_function<std::string>(
            "--rate-limit-" + std::string(name),
            [&quota](const std::string& text) {
              const auto wanted = api::parse_rate_quota(text);
              if (!wanted) {
                throw CLI::ValidationError(
                    "'" + text + "' is neither a number of requests nor PEOPLE/STRANGERS");
              }
              quota = *wanted;
            },
            std::string(of_what))
        ->envname(variable)
        ->type_name("N or N/N")
        ->default_str(api::to_string(quota));
  };
  add("api", limits.api,
      "Requests to /api of one user/of one stranger's address in a window; 0: no limit");
  add("resolvers", limits.resolvers, "Likewise: files of repositories");
  add("pages", limits.pages, "Likewise: pages for people");
  add("git", limits.git, "Likewise: git, and the batches of Git LFS");
  add("transfers", limits.transfers, "Likewise: bytes of large files, by Xet or Git LFS");
  add("login", limits.login, "Likewise: whatever asks for a password or a code");
  add("poll", limits.poll, "Likewise: devices that wait to be logged in");
}

void add_quota_options(CLI::App& command, Settings& settings) {
  CLI::Validator is_quota(
      [](const std::string& text) {
        try {
          hub::parse_quota(text);
          return std::string();
        } catch (const Error& error) {
          return error.message();
        }
      },
      "SIZE");
  command
      .add_option(
          "--user-quota", settings.user_quota,
          "How much each user may store, such as 500GB; unlimited: any amount. 'hearth quota' "
          "sets it for one")
      ->envname("HEARTH_USER_QUOTA")
      ->check(is_quota)
      ->capture_default_str();
  command.add_option("--org-quota", settings.org_quota, "The same for each organisation")
      ->envname("HEARTH_ORG_QUOTA")
      ->check(is_quota)
      ->capture_default_str();
}

void add_server_options(CLI::App& command, Settings& settings) {
  add_undelete_option(command, settings);
  add_gc_options(command, settings);
  add_rate_options(command, settings.rate_limits);
  add_quota_options(command, settings);
  command
      .add_option("--scrub-days", settings.scrub_days,
                  "Within how long the server reads all that is stored, to find damage; 0: only by "
                  "'hearth scrub'")
      ->envname("HEARTH_SCRUB_DAYS")
      ->check(CLI::Range(0, 3650))
      ->capture_default_str();
  command
      .add_option("--scrub-mb-per-s", settings.scrub_mb_per_s,
                  "How much it reads a second for that, at most; 0: no limit")
      ->envname("HEARTH_SCRUB_MB_PER_S")
      ->check(CLI::Range(0, 1'000'000))
      ->capture_default_str();
  command
      .add_option("--gc-interval-hours", settings.gc_interval_hours,
                  "How often the server collects garbage; 0: only by 'hearth gc'")
      ->envname("HEARTH_GC_INTERVAL_HOURS")
      ->check(CLI::Range(0, 168))
      ->capture_default_str();
  command.add_option("--listen", settings.listen, "ADDRESS:PORT; port 0 takes any free one")
      ->envname("HEARTH_LISTEN")
      ->capture_default_str();
  command
      .add_option("--tls-cert", settings.tls_cert,
                  "The certificate with its chain, as PEM: --listen then speaks https")
      ->envname("HEARTH_TLS_CERT");
  command
      .add_option("--tls-key", settings.tls_key, "The certificate's key, as PEM without passphrase")
      ->envname("HEARTH_TLS_KEY");
  command
      .add_option("--listen-http", settings.listen_http,
                  "ADDRESS:PORT for plain http beside https (default: none)")
      ->envname("HEARTH_LISTEN_HTTP");
  command
      .add_option("--redirect-http", settings.redirect_http,
                  "Whether --listen-http sends clients to https instead of serving them")
      ->envname("HEARTH_REDIRECT_HTTP")
      ->capture_default_str();
  command
      .add_option("--public-url", settings.public_url,
                  "What clients call this hub, e.g. https://hub.example (default: as they ask)")
      ->envname("HEARTH_PUBLIC_URL");
  command
      .add_option("--anonymous-read", settings.anonymous_read,
                  "Whether strangers may see public repositories")
      ->envname("HEARTH_ANONYMOUS_READ")
      ->capture_default_str();
  command
      .add_option("--trust-forwarded", settings.trust_forwarded,
                  "Believe X-Forwarded-For, -Proto and -Host (behind a reverse proxy only)")
      ->envname("HEARTH_TRUST_FORWARDED")
      ->capture_default_str();
  command
      .add_option("--access-log", settings.access_log,
                  "Whether each request has its line in the log, at level info")
      ->envname("HEARTH_ACCESS_LOG")
      ->capture_default_str();
  command
      .add_option("--slow-request-ms", settings.slow_request_ms,
                  "Requests that kept the hub itself busy for longer are warnings; 0: none")
      ->envname("HEARTH_SLOW_REQUEST_MS")
      ->check(CLI::Range(0, 3'600'000))
      ->capture_default_str();
  command
      .add_option("--metrics-token", settings.metrics_token,
                  "A secret with which Prometheus may read /metrics, beside administrators "
                  "(better in hearth.toml or the environment than in the command line)")
      ->envname("HEARTH_METRICS_TOKEN");
  command.add_option("--pool-threads", settings.pool_threads, "Threads that run handlers")
      ->envname("HEARTH_POOL_THREADS")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command
      .add_option(
          "--drain-wait-s", settings.drain_wait_s,
          "Seconds after SIGTERM in which requests are still taken while /ready says 503, so "
          "that a load balancer goes elsewhere; a second SIGTERM ends them")
      ->envname("HEARTH_DRAIN_WAIT_S")
      ->check(CLI::Range(0, 3600))
      ->capture_default_str();
  command
      .add_option("--lfs-part-bytes", settings.lfs_part_bytes,
                  "Larger Git LFS uploads are taken in parts of this many bytes")
      ->envname("HEARTH_LFS_PART_BYTES")
      ->check(CLI::Range(uint64_t{1024 * 1024}, uint64_t{5} << 30))
      ->capture_default_str();
  command
      .add_option("--chunk-lfs-uploads", settings.chunk_lfs_uploads,
                  "Whether Git LFS uploads are cut into chunks afterwards, to be stored once where "
                  "they are alike; about 3 CPU seconds a GiB")
      ->envname("HEARTH_CHUNK_LFS_UPLOADS")
      ->capture_default_str();
  command
      .add_option("--trust-checked-s", settings.trust_checked_s,
                  "Seconds for which stored bytes that were found good are sent without being "
                  "compared again; 0: compare at every read")
      ->envname("HEARTH_TRUST_CHECKED_S")
      ->check(CLI::Range(0, 86'400))
      ->capture_default_str();
}

}  // namespace hearth::app
