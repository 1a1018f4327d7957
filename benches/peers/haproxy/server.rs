//! The server that HAProxy and maglevd check in turn: answers whatever ends in an empty line, on a port of every local address.
//!
//! Prints its port, then serves until it is killed.

use maglev_benches::{answer, listen};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let listener = listen().await?;
    println!("{}", listener.local_addr()?.port());
    loop {
        // One that was reset before it was accepted is nothing to stop for.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, ANSWER));
        }
    }
}
