//! Any mailbox: headers are read, and no mail is lost when a thread is sorted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vmptcp::series::{mail, thread};

fuzz_target!(|bytes: &[u8]| {
    let mut mails = Vec::new();
    // As git would split them.
    for (number, text) in bytes.split(|&byte| byte == 0).enumerate() {
        let headers = mail::headers(text);
        let info = mail::Info {
            facts: format!("Author: A\nEmail: a@example.org\nSubject: patch {number}\n"),
            message: String::from_utf8_lossy(text).into_owned(),
            patch: text.to_vec(),
            has_patch: number % 3 != 0,
        };
        if let Ok(mail) = mail::assemble(headers, info) {
            mails.push(mail);
        }
    }
    let patches = mails.iter().filter(|mail| mail.has_patch).count();
    match thread::sort(mails) {
        Some(sorted) => assert!(!sorted.patches.is_empty() && sorted.patches.len() <= patches),
        None => assert_eq!(patches, 0),
    }
});
