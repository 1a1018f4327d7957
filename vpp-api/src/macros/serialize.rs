//! How the fields of a declared type are serialized.
//!
//! A feature of this crate must not ask more of a declaration than was asked without it: another crate may have
//! switched it on. So a type that has `Wire` by hand and no `Serialize` is good in any field, and seen by its `Debug`,
//! which every declaration asks for.

use std::fmt;

use serde::{Serialize, Serializer};

/// A field, as the macros look at it: `Field(&it).view()` is `it` if that has `Serialize`, else its text. Of two
/// methods of one name Rust takes the inherent one, where its bound holds.
#[doc(hidden)]
#[derive(Debug)]
pub struct Field<'a, T: ?Sized>(pub &'a T);

impl<'a, T: Serialize + ?Sized> Field<'a, T> {
    /// The field itself.
    #[must_use]
    pub fn view(&self) -> &'a T {
        self.0
    }
}

/// The method for types without `Serialize`.
#[doc(hidden)]
pub trait AsText {
    /// What is serialized.
    type View;

    /// The field's text.
    fn view(&self) -> Self::View;
}

impl<'a, T: fmt::Debug + ?Sized> AsText for Field<'a, T> {
    type View = Text<'a, T>;

    fn view(&self) -> Text<'a, T> {
        Text(self.0)
    }
}

/// A value that is serialized as its `Debug` text.
#[doc(hidden)]
#[derive(Debug)]
pub struct Text<'a, T: ?Sized>(&'a T);

impl<T: fmt::Debug + ?Sized> Serialize for Text<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:?}", self.0))
    }
}
