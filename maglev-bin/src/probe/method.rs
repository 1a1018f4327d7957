use std::fmt;

/// Method of an HTTP request.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Method {
    /// The resource.
    #[default]
    Get,
    /// Its head alone: the response has no body.
    Head,
    /// What may be done with it.
    Options,
    /// With an empty body.
    Post,
}

impl Method {
    /// The word of the request line: `GET`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
