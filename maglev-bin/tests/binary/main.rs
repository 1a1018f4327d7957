//! The program `maglevd` as its users start, signal and kill it.

mod check;
mod demo;
mod privileges;
mod signals;
