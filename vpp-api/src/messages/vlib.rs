//! The debug CLI, VPP `src/vlibmemory/vlib.api`.

use crate::message::Reply;
use crate::messages;
use crate::types::{Retval, Text};

messages! {
    //!
    //! ```
    //! use vpp_api::{messages::vlib, schema::Module};
    //!
    //! let mut module = Module::new("vlib", "1.0.0");
    //! vlib::visit(&mut module);
    //! assert_eq!(module.message_count(), 2, "a request and its answer");
    //! ```

    /// Runs a debug CLI command. At least 14 bytes.
    ///
    /// VPP aborts when what the command prints does not fit its API segment (16 MB by default): do not ask for
    /// enormous output.
    ///
    /// ```
    /// use vpp_api::messages::vlib::CliInband;
    ///
    /// let request = CliInband { cmd: "show lb vips".into() };
    /// ```
    request cli_inband "f8377302" as CliInband => CliInbandReply {
        /// The command, without a newline.
        cmd: Text,
    }

    /// Answer to [`CliInband`]. At least 14 bytes.
    ///
    /// ```
    /// use vpp_api::messages::vlib::CliInbandReply;
    ///
    /// /// What the command printed, or why it failed.
    /// fn outcome(answer: CliInbandReply) -> Result<String, String> {
    ///     let text = answer.reply.into_string();
    ///     if answer.retval.is_ok() { Ok(text) } else { Err(text) }
    /// }
    /// ```
    answer cli_inband_reply "05879051" as CliInbandReply {
        /// The command's own code, or -1 when it failed without one. Not serialised: in a log it stands beside the
        /// fields.
        retval: Retval,
        /// Everything the command printed; on failure it ends with the error.
        reply: Text,
    }
}

impl Reply for CliInbandReply {
    fn retval(&self) -> Retval {
        self.retval
    }

    fn text(&self) -> Option<String> {
        Some(self.reply.to_str_lossy().into_owned())
    }
}
