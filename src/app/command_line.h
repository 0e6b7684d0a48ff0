#pragma once

namespace hearth::app {

/// Runs one command. The exit status: 0 done; 1 it failed, or `verify`/`doctor` found damage;
/// 2 the command line is wrong; 3 what was named does not exist; 4 it exists already, or a server
/// holds the data folder.
int run_command_line(int argc, char** argv);

}  // namespace hearth::app
