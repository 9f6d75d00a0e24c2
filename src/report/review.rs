//! What b4 takes of a check in its reviews: a JSON array of what a tool found, for one mail.

use super::findings;
use super::lines::Lines;
use super::text;
use super::{Exporter, clean};
use crate::event::Status;
use crate::results::{Summary, Verdict};

/// The name of the column that the results stand in.
const TOOL: &str = "vmptcp";

/// One result, with all findings as its details.
#[derive(Debug, Clone, Copy)]
pub struct Review;

impl Exporter for Review {
    fn render(&self, summary: &Summary) -> String {
        let (status, about) = match &summary.validation {
            Some(validation) if !validation.passed() => ("fail", findings::verdict(validation)),
            Some(validation) if validation.count(Status::Warn) > 0 => ("warn", findings::verdict(validation)),
            Some(validation) => ("pass", findings::verdict(validation)),
            None if summary.verdict == Verdict::Passed => ("pass", text::verdict(summary, false)),
            None => ("fail", text::verdict(summary, false)),
        };
        let mut result = serde_json::json!({ "tool": TOOL, "status": status, "summary": clean(&about) });
        let details = Lines.render(summary);
        if !details.is_empty() {
            result["details"] = details.into();
        }
        crate::text::json(&serde_json::json!([result]).to_string()) + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::findings::tests::validated;
    use crate::results::tests::eventful_run;
    use serde_json::Value;

    fn rendered(summary: &Summary) -> Value {
        let array: Value = serde_json::from_str(&Review.render(summary)).unwrap();
        assert_eq!(array.as_array().unwrap().len(), 1);
        array[0].clone()
    }

    #[test]
    fn b4_gets_the_fields_that_it_knows() {
        let result = rendered(&validated());
        assert_eq!((result["tool"].as_str(), result["status"].as_str()), (Some("vmptcp"), Some("fail")));
        assert_eq!(result["summary"], "not ready to be sent: 1 failure, 1 warning, 1 check not done");
        assert!(result["details"].as_str().unwrap().contains("net/mptcp/pm.c:12: ERROR: context"));
        let result = rendered(&Summary::of(&eventful_run()));
        assert_eq!(result["status"], "fail");
    }

    #[test]
    fn warnings_alone_are_a_warning_and_nothing_is_a_pass() {
        let mut summary = validated();
        let validation = summary.validation.as_mut().unwrap();
        let failed: Vec<_> = validation.failed().map(|result| result.on).collect();
        for on in failed {
            let result = validation.results.get_mut(&on).unwrap();
            (result.status, result.findings) = (Status::Pass, Vec::new());
        }
        assert_eq!(rendered(&summary)["status"], "warn");
        summary.validation.as_mut().unwrap().results = crate::results::Keyed::default();
        let result = rendered(&summary);
        assert_eq!((result["status"].as_str(), &result["details"]), (Some("pass"), &Value::Null));
    }
}
