//! Doc comments out of VPP's comments.

/// What a comment says of a definition, and of its fields.
#[derive(Debug, Default)]
pub(crate) struct Docs {
    brief: Vec<String>,
    fields: Vec<(String, Vec<String>)>,
}

impl Docs {
    /// Takes a C comment apart: `\brief`, then `@param name - text`.
    pub(crate) fn of(comment: &str) -> Self {
        let mut docs = Self::default();
        let inside =
            comment.trim().trim_start_matches('/').trim_start_matches('*').trim_end_matches('/').trim_end_matches('*');
        for line in inside.lines() {
            let line = line.trim().trim_start_matches('*').trim();
            let line = line.strip_prefix("\\brief").or_else(|| line.strip_prefix("@brief")).unwrap_or(line).trim();
            if let Some(param) = line.strip_prefix("@param").or_else(|| line.strip_prefix("\\param")) {
                let (name, text) = param.trim().split_once(char::is_whitespace).unwrap_or((param.trim(), ""));
                let name = name.trim_end_matches([':', ',', '-']).trim_end_matches("[]");
                docs.fields.push((name.to_owned(), Vec::new()));
                docs.push(text.trim().trim_start_matches(['-', ':']).trim());
            } else {
                docs.push(line);
            }
        }
        docs
    }

    fn push(&mut self, line: &str) {
        let lines = self.fields.last_mut().map_or(&mut self.brief, |(_, lines)| lines);
        if !line.is_empty() || !lines.is_empty() {
            lines.push(escaped(line));
        }
    }

    /// Lines of the definition's doc.
    pub(crate) fn definition(&self, name: &str) -> Vec<String> {
        lines(&self.brief, name)
    }

    /// Lines of a field's doc.
    pub(crate) fn field(&self, name: &str) -> Vec<String> {
        let said = self.fields.iter().find(|(known, _)| known == name).map(|(_, lines)| lines.as_slice());
        lines(said.unwrap_or_default(), name)
    }
}

/// What was said, else the name.
fn lines(said: &[String], name: &str) -> Vec<String> {
    let end = said.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    match &said[..end] {
        [] => vec![format!("`{name}`.")],
        said => said.to_vec(),
    }
}

/// Without what Markdown or rustdoc would take for a link or a tag.
fn escaped(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end();
        if bare.starts_with("http://") || bare.starts_with("https://") {
            out.push_str(&format!("<{bare}>{}", &word[bare.len()..]));
            continue;
        }
        for char in word.chars() {
            if matches!(char, '[' | ']' | '<' | '>' | '`' | '\\') {
                out.push('\\');
            }
            out.push(char);
        }
    }
    out
}
