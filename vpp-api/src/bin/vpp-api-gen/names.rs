//! Rust names for VPP's.

/// `lb_add_del_as_v2` as `LbAddDelAsV2`.
pub(crate) fn camel(name: &str) -> String {
    name.split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|letter| letter.to_ascii_uppercase());
            first.into_iter().chain(letters.map(|letter| letter.to_ascii_lowercase()).collect::<Vec<_>>())
        })
        .collect()
}

/// A field's or a module's name; `None` if Rust can have none like it.
pub(crate) fn field(name: &str) -> Option<String> {
    match name {
        "self" | "super" | "crate" | "Self" | "_" | "" => None,
        name if !name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric()) => None,
        name if name.as_bytes()[0].is_ascii_digit() => None,
        name if RESERVED.contains(&name) => Some(format!("r#{name}")),
        name => Some(name.to_owned()),
    }
}

/// What the values of an enumeration are called: their names without what all of them begin with, in the spelling of
/// `spell`. One that would not be a name, or be the same as another, keeps all of it.
pub(crate) fn values(names: &[&str], spell: fn(&str) -> String) -> Vec<String> {
    let common = common_words(names);
    let short: Vec<String> = names
        .iter()
        .map(|name| {
            let rest = name.split('_').skip(common).collect::<Vec<_>>().join("_");
            let short = spell(&rest);
            let is_name = short.starts_with(|first: char| first.is_ascii_alphabetic());
            // `Unknown` is the variant for values without a name; `Self` cannot be one.
            if is_name && !matches!(short.as_str(), "Unknown" | "Self") { short } else { spell(name) }
        })
        .collect();
    let is_twice = |name: &String| short.iter().filter(|other| *other == name).count() > 1;
    names
        .iter()
        .zip(&short)
        .map(|(name, short)| match if is_twice(short) { spell(name) } else { short.clone() } {
            taken if matches!(taken.as_str(), "Unknown" | "Self") => format!("{taken}Value"),
            free => free,
        })
        .collect()
}

/// How many words, from the first on, all names share; one is left to each.
fn common_words(names: &[&str]) -> usize {
    let words: Vec<Vec<&str>> = names.iter().map(|name| name.split('_').collect()).collect();
    let Some(first) = words.first().filter(|_| words.len() > 1) else { return 0 };
    let is_shared = |at: &usize| words.iter().all(|name| name.len() > at + 1 && name[*at] == first[*at]);
    (0..first.len()).take_while(is_shared).count()
}

const RESERVED: &[&str] = &[
    "abstract", "as", "async", "await", "become", "box", "break", "const", "continue", "do", "dyn", "else", "enum",
    "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in", "let", "loop", "macro", "match", "mod", "move",
    "mut", "override", "priv", "pub", "ref", "return", "static", "struct", "trait", "true", "try", "type", "typeof",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_one() {
        assert_eq!(camel("lb_add_del_as_v2"), "LbAddDelAsV2");
        assert_eq!(camel("IP4_ADDRESS"), "Ip4Address");
        assert_eq!(camel("_a__b"), "AB");
    }

    #[test]
    fn words_of_rust_are_raw_and_some_cannot_be_names() {
        assert_eq!(field("type").as_deref(), Some("r#type"));
        assert_eq!(field("port").as_deref(), Some("port"));
        for bad in ["self", "_", "", "a-b", "4th"] {
            assert_eq!(field(bad), None, "{bad}");
        }
    }

    #[test]
    fn values_lose_what_they_share() {
        assert_eq!(values(&["IF_API_TYPE_SUB", "IF_API_TYPE_P2P"], camel), ["Sub", "P2p"]);
        assert_eq!(values(&["RX", "TX"], camel), ["Rx", "Tx"]);
        assert_eq!(values(&["A_ONE"], camel), ["AOne"]);
    }

    #[test]
    fn values_that_would_be_no_names_or_the_same_keep_theirs() {
        assert_eq!(values(&["A_10", "A_B"], camel), ["A10", "B"]);
        assert_eq!(values(&["A_UNKNOWN", "A_B"], camel), ["AUnknown", "B"]);
        assert_eq!(values(&["UNKNOWN", "KNOWN"], camel), ["UnknownValue", "Known"]);
    }
}
