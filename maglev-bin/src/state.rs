//! What outlives the process: the state file.
