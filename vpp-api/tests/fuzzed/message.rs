//! A body that claims to be some message.
//!
//! Input: the body, from its message id on. It is read as each of all messages.

use bytes::BytesMut;
use vpp_api::error::DecodeError;
use vpp_api::message::{Message, decode_body, decode_body_lenient, encode_body};
use vpp_api::messages::{Visitor, visit_all};

/// Checks that whatever can be decoded encodes to the bytes it came from. Returns how many messages the body is.
pub(crate) fn check(body: &[u8]) -> usize {
    let mut all = All { body, taken: 0 };
    visit_all(&mut all);
    all.taken
}

struct All<'a> {
    body: &'a [u8],
    taken: usize,
}

impl Visitor for All<'_> {
    fn visit<M: Message>(&mut self) {
        let (envelope, message) = match (decode_body_lenient::<M>(self.body), decode_body::<M>(self.body)) {
            (Err(short), strict) => {
                assert!(matches!(short, DecodeError::Short { .. }), "{}: only a short body is refused", M::NAME);
                assert_eq!(strict, Err(short), "{}", M::NAME);
                return;
            }
            (Ok(read), Ok(strict)) => {
                assert_eq!(read, strict, "{}", M::NAME);
                self.taken += 1;
                read
            }
            (Ok(read), Err(error)) => {
                assert!(matches!(error, DecodeError::Leftover { .. }), "{}: {error}", M::NAME);
                read
            }
        };
        let id = u16::from_be_bytes([self.body[0], self.body[1]]);
        let mut out = BytesMut::new();
        encode_body(id, envelope, &message, &mut out);
        let (used, left) = self.body.split_at_checked(out.len()).expect("encoding does not grow what was decoded");
        assert!(used.iter().zip(&out).all(is_restored), "{}: {used:02x?} became {:02x?}", M::NAME, &out[..]);
        match decode_body::<M>(self.body) {
            Ok(_) => assert!(left.len() <= M::SPARE, "{}", M::NAME),
            Err(error) => assert_eq!(error, DecodeError::Leftover { count: left.len() }, "{}", M::NAME),
        }
        // What no caller should have to be careful with.
        let _ = format!("{message:?}");
        let _ = message.status().map(|retval| retval.to_string());
        assert_eq!(decode_body::<M>(&out), Ok((envelope, message)), "{}", M::NAME);
    }
}

/// VPP takes any byte but 0 for true; we write 1.
fn is_restored((read, written): (&u8, &u8)) -> bool {
    read == written || (*read > 1 && *written == 1)
}
