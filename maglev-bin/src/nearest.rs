//! The nearest valid name.

/// The one of `names` that `typed` was most likely meant to be: one that is near, else the only one that begins so.
pub(crate) fn nearest<'n>(typed: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let folded = fold(typed);
    // A third of the word wrong is still a slip, more is another word.
    let allowed = (folded.len() / 3).clamp(1, 4);
    let names: Vec<&str> = names.into_iter().collect();
    let near = names
        .iter()
        .copied()
        .filter(|name| *name != typed)
        .map(|name| (distance(&folded, &fold(name)), name))
        .filter(|&(distance, _)| distance <= allowed)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, name)| name);
    let longer = |name: &&str| !folded.is_empty() && *name != typed && fold(name).starts_with(&folded);
    let mut longer = names.iter().copied().filter(longer);
    near.or_else(|| longer.next().filter(|_| longer.next().is_none()))
}

/// Capitals and underscores are the slips that cost nothing.
fn fold(name: &str) -> Vec<char> {
    name.chars().flat_map(char::to_lowercase).map(|c| if c == '_' || c == ' ' { '-' } else { c }).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours that turn one word into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    // Far too long words are never near, and would cost length times length.
    if a.len().abs_diff(b.len()) > 4 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &cb) in b.iter().enumerate() {
            let mut best = (above[j] + usize::from(ca != cb)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && ca == b[j - 1] && a[i - 1] == cb {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_leaves_other_words_alone() {
        let names = ["interval", "fast-interval", "down-interval", "timeout", "rise", "fall"];
        for (typed, wanted) in [
            ("intervall", Some("interval")),
            ("fast_interval", Some("fast-interval")),
            ("Timeout", Some("timeout")),
            ("tiemout", Some("timeout")),
            ("raise", Some("rise")),
            ("fal", Some("fall")),
            ("down", Some("down-interval")),
            ("f", None),
            ("address", None),
            ("", None),
        ] {
            assert_eq!(nearest(typed, names), wanted, "{typed}");
        }
    }

    #[test]
    fn counts_a_swap_of_neighbours_as_one() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("wieght"), &chars("weight")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
        assert_eq!(distance(&chars("abc"), &chars("abc")), 0);
    }
}
