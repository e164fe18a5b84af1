//! Pages: HTML files that need no other file, with data in them.

use std::io::Write;

use serde_json::Value;

/// The text in a template that the data replace.
const DATA: &str = "/*data*/null";
/// The text in a template that the colours and sizes of all pages replace.
const THEME: &str = "/*theme*/";

/// Writes a template with data in it.
///
/// # Errors
/// Fails when writing to `out` fails.
pub(crate) fn write(template: &str, data: &Value, out: &mut impl Write) -> std::io::Result<()> {
    // With these escapes no word can end the script that contains it.
    let data = data
        .to_string()
        .replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    let (before, after) = template.split_once(DATA).unwrap_or((template, ""));
    let (head, body) = before.split_once(THEME).unwrap_or((before, ""));
    let parts = [head, include_str!("theme.css"), body, &data, after];
    parts.iter().try_for_each(|part| out.write_all(part.as_bytes()))
}

/// Bytes as base64 text (RFC 4648).
pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(three.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * i)) as usize & 63] as char;
            text.push(if i <= three.len() { digit } else { '=' });
        }
    }
    text
}

/// What is wrong with a template: it has one place for data and one for the theme, and needs no network.
#[cfg(test)]
pub(crate) fn fault(template: &str) -> Option<String> {
    for place in [DATA, THEME] {
        if template.matches(place).count() != 1 {
            return Some(format!("not one {place}"));
        }
    }
    let own = template.replace("http://www.w3.org/2000/svg", "");
    let foreign = ["http:", "https:", "src=", "@import", "url("].into_iter();
    foreign.filter(|foreign| own.contains(foreign)).map(String::from).next()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn base64_as_in_the_standard() {
        let words =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|word| base64(word.as_bytes()));
        assert_eq!(words, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    #[test]
    fn words_cannot_end_the_script() {
        let (mut page, template) =
            (Vec::new(), "<style>/*theme*/</style><script>/*data*/null</script>");
        let data = json!({ "words": ["</script><script>alert(1)"] });
        write(template, &data, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(!page.contains("</script><script>alert"));
        assert!(page.contains("\\u003c/script>") && page.contains("color-scheme"));
    }
}
