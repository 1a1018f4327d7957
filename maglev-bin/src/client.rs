//! A client of the API, for `maglevc` and for other tools.
