//! Examples stand beside this file; README.md tells what each prints.
