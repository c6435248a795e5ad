//! A connection's bytes: that some came or went is noted, and a client that reads nothing is not waited for.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::crowd::Usage;
use crate::clock::Clock;

/// A connection's bytes.
pub(super) struct Stream {
    socket: TcpStream,
    usage: Usage,
    clock: Clock,
    /// How long nothing of an answer may be taken before it is given up.
    patience: Duration,
    /// Ends when that is over; only while the client takes nothing.
    stall: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Stream {
    pub(super) fn new(socket: TcpStream, usage: Usage, clock: Clock, patience: Duration) -> Self {
        Self { socket, usage, clock, patience, stall: None }
    }

    /// Sends by way of `send`, and fails once the client has taken nothing for too long.
    fn send(
        &mut self,
        context: &mut Context<'_>,
        send: impl FnOnce(Pin<&mut TcpStream>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let sent = send(Pin::new(&mut self.socket), context);
        if sent.is_ready() {
            self.usage.touch();
            self.stall = None;
            return sent;
        }
        let stall = self.stall.get_or_insert_with(|| {
            let (clock, patience) = (self.clock.clone(), self.patience);
            Box::pin(async move { clock.sleep(patience).await })
        });
        stall.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(context, buffer);
        if read.is_ready() {
            self.usage.touch();
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.send(context, |socket, context| socket.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.send(context, |socket, context| socket.poll_write_vectored(context, parts))
    }

    // Else a body would be copied for each who asks.
    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// More than the system keeps for a client that does not read.
    const MUCH: usize = 16 << 20;

    /// Both ends of a connection whose time is this clock's.
    async fn connect(clock: Clock) -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        (Stream::new(socket, Usage::new(&clock), clock, Duration::from_secs(10)), client)
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_given_up() {
        let (mut stream, _deaf) = connect(Clock::hurried(chrono::DateTime::UNIX_EPOCH)).await;
        let error = stream.write_all(&vec![0; MUCH]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn one_that_reads_gets_all_of_it_however_slowly() {
        let (clock, _hand) = Clock::stepped(chrono::DateTime::UNIX_EPOCH);
        let (mut stream, mut client) = connect(clock).await;
        let sends = async {
            stream.write_all(&vec![7; MUCH]).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let (read, ()) = tokio::join!(client.read_to_end(&mut heard), sends);
        assert_eq!(read.unwrap(), MUCH);
    }
}
