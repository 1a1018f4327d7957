//! What comes back to a DNS query, any bytes.
//!
//! ```text
//! 1 byte                          length of the text of a name
//! that many, as far as there are  the text
//! 2 bytes, big endian             type of the record
//! the rest                        the message
//! ```

use super::{Answer, DnsName, Query, Rcode, RecordType};

/// Judges a message, and holds what is said of it against its bytes.
pub(crate) fn check(data: &[u8]) {
    let Some((length, rest)) = data.split_first() else { return };
    let (text, rest) = rest.split_at(rest.len().min((*length).into()));
    let [high, low, message @ ..] = rest else { return };
    let text = String::from_utf8_lossy(text);
    let name = match text.parse::<DnsName>() {
        Ok(name) => name,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let query = Query { name, kind: RecordType::new(u16::from_be_bytes([*high, *low])), recurse: false };
    let id = message.first_chunk().map_or(0, |id| u16::from_be_bytes(*id));
    let asked = query.encode(id);
    assert!(asked.len() <= 12 + 255 + 4);
    assert!(matches!(query.judge(id, &asked), Answer::Broken(_)), "a query is no answer");

    match query.judge(id, message) {
        Answer::Foreign => panic!("the id is its own"),
        Answer::Broken(why) => assert!(!why.is_empty()),
        Answer::Given { rcode, answers, truncated } => {
            assert_eq!(Some(rcode), Rcode::new(message[3] & 0xf));
            assert_eq!(answers, u16::from_be_bytes([message[6], message[7]]));
            assert_eq!(truncated, message[2] & 2 != 0);
            assert_eq!(message[2] & 0xf8, 0x80);
            let question = message[12..].get(..asked.len() - 12);
            let repeats = question.is_some_and(|question| question.eq_ignore_ascii_case(&asked[12..]));
            assert!(repeats || (message[4..6] == [0, 0] && message[3] & 0xf != 0));
            // Whatever follows is not looked at.
            let longer = [message, b"more"].concat();
            assert_eq!(query.judge(id, &longer), query.judge(id, message));
        }
    }
    let foreign = query.judge(id.wrapping_add(1), message) == Answer::Foreign;
    assert_eq!(foreign, message.len() >= 12);
}
