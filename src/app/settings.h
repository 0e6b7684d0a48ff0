#pragma once
// What can be configured, and from where: a flag is stronger than the environment (HEARTH_…), and
// that is stronger than the file (DATA/hearth.toml).

#include <cstdint>
#include <filesystem>
#include <string>

#include "api/rate_limit.h"

namespace CLI {
class App;
}

namespace hearth::app {

struct Settings {
  std::filesystem::path data_dir = "./data";
  std::string config_file;
  /// "sqlite:PATH" or "postgresql://…"; empty: DATA/hearth.db.
  std::string database;
  std::string listen = "127.0.0.1:8080";
  /// PEM files; with them `listen` speaks TLS and nothing else.
  std::string tls_cert;
  std::string tls_key;
  /// Beside it, with a certificate: an address that speaks plain HTTP. Empty: none.
  std::string listen_http;
  /// Whether `listen_http` sends clients to https, instead of serving them.
  bool redirect_http = true;
  /// What clients call the hub; empty: as each request names it.
  std::string public_url;
  /// Whether strangers may see public repositories.
  bool anonymous_read = true;
  /// Believe X-Forwarded-Proto and X-Forwarded-Host: only behind a reverse proxy that sets them.
  bool trust_forwarded = false;
  int pool_threads = 16;
  /// Between SIGTERM and the end of accepting requests; /ready says 503 meanwhile.
  int drain_wait_s = 0;
  std::string log_level = "info";
  std::string log_format = "text";
  /// A line for each request.
  bool access_log = true;
  int slow_request_ms = 5'000;
  /// Opens /metrics to programs, beside administrators' tokens; empty: to nobody else.
  std::string metrics_token;
  /// LFS uploads above this are asked for in parts of this size.
  uint64_t lfs_part_bytes = 1024ull * 1024 * 1024;

  /// Whether files uploaded by Git LFS are cut into chunks afterwards, so that they share what they
  /// have in common with others and Xet clients fetch only what is new: about 3 s of CPU a GiB.
  bool chunk_lfs_uploads = true;
  /// How long bytes that were compared with their sum are sent without being compared again.
  int trust_checked_s = 600;

  /// How long a deleted repository can be brought back; 0: not at all.
  int undelete_days = 7;

  /// How many requests a caller may make (docs/operating.md).
  api::RateLimits rate_limits;

  /// Within how many days the server reads all that is stored; 0: never by itself.
  int scrub_days = 30;
  /// How much it reads a second for that, at most; 0: as much as the disk gives.
  int scrub_mb_per_s = 50;

  /// How often the server collects garbage; 0: never by itself.
  int gc_interval_hours = 24;
  /// How long a large file is kept that no commit names. The links of an upload are good for a day.
  int gc_delay_hours = 48;
  /// How long a xorb is kept after its last use; clients count on 21 days (docs/storage.md).
  int gc_xorb_delay_days = 22;

  /// How much a user's, or an organisation's, namespace may store that has no quota of its own:
  /// as hub::parse_quota reads it.
  std::string user_quota = "unlimited";
  std::string org_quota = "unlimited";

  std::string database_url() const;
};

/// Reads the configuration file into the environment, where it is not set there already: so a flag
/// is stronger than the environment, and that than the file. The file is `--config FILE`,
/// HEARTH_CONFIG, DATA/hearth.toml, or, where no data folder is named and there is no ./data,
/// /etc/hearth/hearth.toml, when it is there; lines are `name = value` with the long
/// options' names. Throws Error{kInvalid} that names the line's key when it is not one of them.
void load_config_file(int argc, const char* const* argv);

/// Adds the options that every command takes: --data, --database, --log-level.
void add_common_options(CLI::App& command, Settings& settings);
/// Adds the option that says how long a deleted repository is kept.
void add_undelete_option(CLI::App& command, Settings& settings);
/// Adds the options that say how long other things are kept that are not in use any more.
void add_gc_options(CLI::App& command, Settings& settings);
/// Adds the options that say how much namespaces may store.
void add_quota_options(CLI::App& command, Settings& settings);
/// Adds the options of `serve`, those that say how long things are kept among them.
void add_server_options(CLI::App& command, Settings& settings);

}  // namespace hearth::app
