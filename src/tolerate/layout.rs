//! Lays a stored document out anew, for a line or for a page: only the blanks between its tokens change.
//! Keys keep their order, numbers and strings their spelling.

/// Blanks of one level of [`pretty`].
const INDENT: usize = 2;

/// The document on one line.
#[must_use]
pub fn compact(document: &str) -> String {
    lay_out(document, |out, token, _| out.push_str(token))
}

/// The document with each member and each item on a line of its own.
#[must_use]
pub fn pretty(document: &str) -> String {
    let mut is_open = false;
    lay_out(document, |out, token, depth| {
        let was_open = std::mem::replace(&mut is_open, matches!(token, "{" | "["));
        match token {
            // An empty object or list stays as short as it is.
            "}" | "]" if was_open => {}
            "," | ":" => {}
            "}" | "]" => new_line(out, depth),
            _ if was_open || out.ends_with(',') => new_line(out, depth),
            _ => {}
        }
        out.push_str(token);
        if token == ":" {
            out.push(' ');
        }
    })
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', depth * INDENT));
}

/// Hands over each token with its depth, and gives what was written. What opens or closes stands at the
/// depth of what is around it.
fn lay_out(document: &str, mut write: impl FnMut(&mut String, &str, usize)) -> String {
    let mut out = String::with_capacity(document.len());
    let (mut rest, mut depth) = (document.trim_ascii_start(), 0_usize);
    while !rest.is_empty() {
        let (token, after) = rest.split_at(token_length(rest));
        if matches!(token, "}" | "]") {
            depth = depth.saturating_sub(1);
        }
        write(&mut out, token, depth);
        if matches!(token, "{" | "[") {
            depth += 1;
        }
        rest = after.trim_ascii_start();
    }
    out
}

/// How many bytes the first token takes; at least one character.
fn token_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes[0] {
        b'"' => string_length(bytes),
        b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
        _ => {
            let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"{}[],:\"".contains(byte);
            bytes.iter().position(is_end).unwrap_or(bytes.len())
        }
    }
}

fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: &str =
        "{ \"b\" : [1.50,\n -2e400 ,\t{}], \"a\":\"x, \\\"y\\\\\\\" : {\",\r\n\"\":[ ],\"é\":{\"n\":null}}";

    #[test]
    fn a_document_on_one_line_keeps_its_order_and_its_spelling() {
        assert_eq!(compact(ODD), r#"{"b":[1.50,-2e400,{}],"a":"x, \"y\\\" : {","":[],"é":{"n":null}}"#);
    }

    #[test]
    fn a_document_on_a_page_has_a_line_for_each_member() {
        let page = r#"{
  "b": [
    1.50,
    -2e400,
    {}
  ],
  "a": "x, \"y\\\" : {",
  "": [],
  "é": {
    "n": null
  }
}"#;
        assert_eq!(pretty(ODD), page);
        assert_eq!(compact(page), compact(ODD));
        assert_eq!(pretty("7"), "7");
    }

    #[test]
    fn a_text_that_is_no_document_ends_all_the_same() {
        for text in ["", " ", "\"open", "\"open\\", "}}]", "é{"] {
            assert!(compact(text).len() <= text.len(), "{text:?}");
        }
    }
}
