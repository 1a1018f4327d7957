//! Rule by rule, in virtual time.

mod conf;
mod drift;
mod failures;
mod flush;
mod health;
mod indices;
mod link;
mod order;
mod properties;
mod removal;
mod steady;
mod warm_up;
mod without_weights;
