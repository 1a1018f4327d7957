use std::fmt;

/// Which names a [`Selection`](crate::Selection) takes.
///
/// Names may hold blanks and need not start with a slash; patterns see their bytes.
///
/// *Anchors.* [`exact`](Self::exact) and [`prefix`](Self::prefix) are anchored where their names say. A
/// [`regex`](Self::regex) is found anywhere in a name unless it begins with `^`, as with two of VPP's own clients:
///
/// | client | language | `route` finds `/net/route/to` | `/if/rx` finds `/if/rx-miss` |
/// | --- | --- | --- | --- |
/// | this crate | [regex](https://docs.rs/regex/1/regex/#syntax) | yes | yes |
/// | C `stat_client.c` | POSIX basic: `+ ? ( ) { } \|` stand for themselves | yes | yes |
/// | govpp | Go RE2 | yes | yes |
/// | `vpp_papi` | Python `re.match`: anchored at the start alone | no | yes |
///
/// So `^(?:…)` takes what `vpp_papi` takes, and `^(?:…)$` whole names.
///
/// ```
/// use vpp_stats::Pattern;
///
/// assert!(Pattern::prefix("/if/").matches("/if/rx"));
/// assert!(!Pattern::exact("/if/rx").matches("/if/rx-miss"));
/// let both = Pattern::any_of([Pattern::exact("/if/names"), Pattern::prefix("/err/")]);
/// assert!(both.matches("/if/names") && both.matches("/err/ip4-input/ip4 ttl <= 1"));
/// ```
#[derive(Clone)]
pub struct Pattern(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Everything,
    Exact(Box<str>),
    Prefix(Box<str>),
    AnyOf(Box<[Pattern]>),
    #[cfg(feature = "regex")]
    Regex(regex::bytes::Regex),
}

impl Pattern {
    /// Every name.
    ///
    /// ```
    /// use vpp_stats::Pattern;
    ///
    /// /// What a tool shows: all, or what begins with its argument.
    /// fn shown(argument: Option<&str>) -> Pattern {
    ///     argument.map_or_else(Pattern::everything, Pattern::prefix)
    /// }
    ///
    /// assert!(shown(None).matches("/sys/boottime"));
    /// assert!(!shown(Some("/if/")).matches("/sys/boottime"));
    /// ```
    pub fn everything() -> Self {
        Self(Kind::Everything)
    }

    /// This name alone.
    pub fn exact(name: &str) -> Self {
        Self(Kind::Exact(name.into()))
    }

    /// Names that begin with `prefix`.
    pub fn prefix(prefix: &str) -> Self {
        Self(Kind::Prefix(prefix.into()))
    }

    /// Names that any of `patterns` takes; none if there are no patterns.
    pub fn any_of(patterns: impl IntoIterator<Item = Self>) -> Self {
        Self(Kind::AnyOf(patterns.into_iter().collect()))
    }

    /// Names in which `expression` is found, anywhere unless it is anchored.
    ///
    /// # Errors
    /// [`PatternError`] if it is no regular expression, or a huge one.
    ///
    /// ```
    /// use vpp_stats::Pattern;
    ///
    /// let drops = Pattern::regex("^/interfaces/loop[0-9]+/drops$")?;
    /// assert!(drops.matches("/interfaces/loop17/drops") && !drops.matches("/interfaces/tap0/drops"));
    /// # Ok::<(), vpp_stats::PatternError>(())
    /// ```
    #[cfg(feature = "regex")]
    #[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
    pub fn regex(expression: &str) -> Result<Self, PatternError> {
        let regex = regex::bytes::Regex::new(expression).map_err(|error| PatternError(error.to_string()))?;
        Ok(Self(Kind::Regex(regex)))
    }

    /// Whether it takes `name`.
    pub fn matches(&self, name: &str) -> bool {
        self.takes(name.as_bytes())
    }

    pub(crate) fn takes(&self, name: &[u8]) -> bool {
        match &self.0 {
            Kind::Everything => true,
            Kind::Exact(exact) => exact.as_bytes() == name,
            Kind::Prefix(prefix) => name.starts_with(prefix.as_bytes()),
            Kind::AnyOf(patterns) => patterns.iter().any(|pattern| pattern.takes(name)),
            #[cfg(feature = "regex")]
            Kind::Regex(regex) => regex.is_match(name),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An expression that cannot be used. Fix the expression; the text says where it is wrong.
///
/// ```
/// use vpp_stats::Pattern;
///
/// let error = Pattern::regex("^/if/(rx|tx").expect_err("the group has no end");
/// assert!(error.to_string().contains("unclosed group"));
/// ```
#[cfg(feature = "regex")]
#[cfg_attr(docsrs, doc(cfg(feature = "regex")))]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(String);
