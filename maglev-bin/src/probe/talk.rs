//! Sends some bytes over a connection and looks for others in what comes back.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;

use maglev_health::Code;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::end::{Deadline, End, Step};
use super::expect::Search;
use super::fault::words;
use super::target::Tcp;

/// Says what a TCP check has to say over a connection that is ready for it, and judges the answer.
pub(super) async fn exchange<S>(mut stream: S, tcp: &Tcp, deadline: Deadline) -> Step<End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    say(&mut stream, &tcp.send, SAYING, deadline).await?;
    let mut search = Search::new(tcp.expect.as_ref());
    let heard = deadline.limit(listen(&mut stream, &mut search, tcp.agent)).await;
    let found = search.is_found() && !(search.seen().is_empty() && tcp.expect.is_none());
    let seen = search.quote();
    let what = match &heard {
        Some(Ok(Heard::Enough)) => "",
        Some(Ok(Heard::Closed)) => "closed",
        Some(Ok(Heard::Full)) => "64 KiB",
        Some(Err(error)) => &format!("connection {}", words(error)),
        None => "no more in time",
    };
    let line = search.first_line();
    // A last line may end with the connection.
    let line = line.or_else(|| matches!(heard, Some(Ok(Heard::Closed))).then(|| search.seen())).filter(|_| tcp.agent);
    if found && (!tcp.agent || line.is_some()) {
        let end = match tcp.expect {
            Some(_) => End::pass(Code::L7Ok, format!("found in {seen}")),
            None => End::pass(Code::L7Ok, seen),
        };
        return Ok(end.with_agent(line));
    }
    Ok(match heard {
        None if search.seen().is_empty() => End::fail(Code::L7Tout, "no answer in time"),
        None if found => End::fail(Code::L7Tout, format!("no whole line in time, {seen}")),
        None => End::fail(Code::L7Tout, format!("not found in time in {seen}")),
        Some(_) if found => End::fail(Code::L7Rsp, format!("no whole line in {seen}, {what}")),
        Some(_) if search.seen().is_empty() => End::fail(Code::L7Rsp, format!("no answer, {what}")),
        Some(_) => End::fail(Code::L7Rsp, format!("not found in {seen}, {what}")),
    })
}

/// What it means if bytes cannot be sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unsent {
    /// The connection broke.
    pub(super) broken: Code,
    /// It took no more until time was up.
    pub(super) late: Code,
}

const SAYING: Unsent = Unsent { broken: Code::L7Rsp, late: Code::L7Tout };

/// Sends bytes, all of them.
pub(super) async fn say<S>(stream: &mut S, bytes: &[u8], unsent: Unsent, deadline: Deadline) -> Step<()>
where
    S: AsyncWrite + Unpin,
{
    if bytes.is_empty() {
        return Ok(());
    }
    let said = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    let broken = |error: io::Error| End::fail(unsent.broken, format!("not sent, connection {}", words(&error)));
    deadline.or_fail(unsent.late, "not sent in time", async { said.await.map_err(broken) }).await
}

/// Why nobody listens any longer.
#[derive(Debug)]
enum Heard {
    /// What was wanted is there.
    Enough,
    /// The peer has no more to say.
    Closed,
    /// More than anybody looks through.
    Full,
}

/// Listens until what is looked for has come, and a whole line if that is wanted, too.
async fn listen<S>(stream: &mut S, search: &mut Search<'_>, line: bool) -> io::Result<Heard>
where
    S: AsyncRead + Unpin,
{
    poll_fn(|cx| {
        // Not kept over a wait: thousands may wait.
        let mut chunk = [0; 4_096];
        loop {
            if search.is_full() {
                return Poll::Ready(Ok(Heard::Full));
            }
            let mut buffer = ReadBuf::new(&mut chunk);
            match Pin::new(&mut *stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => return Poll::Ready(Ok(Heard::Closed)),
                Poll::Ready(Ok(())) => search.take(buffer.filled()),
                // A TLS peer that hangs up without a word of farewell has said all the same what it said.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(Heard::Closed));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                // Searched only when the peer pauses, so that a burst of tiny segments costs one search.
                Poll::Pending => {
                    let enough = !search.seen().is_empty() && search.is_found_at_a_pause();
                    return match enough && (!line || search.first_line().is_some()) {
                        true => Poll::Ready(Ok(Heard::Enough)),
                        false => Poll::Pending,
                    };
                }
            }
        }
    })
    .await
}
