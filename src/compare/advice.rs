//! What to use, by a comparison: which methods lead on which sets, and in one sentence.

use serde::Serialize;

use super::{MethodSummary, SetScores};

/// Which methods are best, as far as the differences that were detected tell.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Advice {
    /// For each set, the methods than which no other was found to be better, best score first.
    pub leaders: Vec<Vec<usize>>,
    /// All methods in groups: between two of a group no difference was detected on the whole, as told
    /// by how often each was found better and worse. The best group is the first.
    pub groups: Vec<Vec<usize>>,
    /// What to use, in a sentence or two.
    pub sentence: String,
}

/// The advice that the scores of methods give.
pub(super) fn advice(methods: &[MethodSummary], sets: &[SetScores]) -> Advice {
    let count = methods.len();
    let better = |set: &SetScores, a: usize, b: usize| {
        set.differences.iter().any(|d| {
            let sign = if d.methods == [a, b] { 1.0 } else { -1.0 };
            let these = d.methods == [a, b] || d.methods == [b, a];
            these && d.detected && sign * d.difference > 0.0
        })
    };
    let leaders: Vec<Vec<usize>> = sets
        .iter()
        .map(|set| {
            let score = |method: usize| set.measures[0].methods[method].mean;
            let beaten = |a: usize| (0..count).any(|b| b != a && better(set, b, a));
            let mut best: Vec<usize> = (0..count).filter(|&method| !beaten(method)).collect();
            best.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
            best
        })
        .collect();
    // How often each was better less how often it was worse; equal ones are one group.
    let balance = |method: usize| -> i64 {
        let against = |set: &SetScores, other: usize| {
            i64::from(better(set, method, other)) - i64::from(better(set, other, method))
        };
        let others = || (0..count).filter(move |&other| other != method);
        sets.iter().flat_map(|set| others().map(move |other| against(set, other))).sum()
    };
    let mut order: Vec<usize> = (0..count).collect();
    let seconds = |method: usize| {
        let of = |m: &MethodSummary| {
            m.runs.iter().filter_map(|run| run.seconds).fold(f64::NAN, f64::min)
        };
        of(&methods[method])
    };
    order.sort_by(|&a, &b| {
        balance(b).cmp(&balance(a)).then(seconds(a).total_cmp(&seconds(b))).then(a.cmp(&b))
    });
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for method in order {
        match groups.last_mut() {
            Some(group) if balance(group[0]) == balance(method) => group.push(method),
            _ => groups.push(vec![method]),
        }
    }
    let sentence = sentence(methods, sets, &leaders, &groups);
    Advice { leaders, groups, sentence }
}

fn sentence(
    methods: &[MethodSummary],
    sets: &[SetScores],
    leaders: &[Vec<usize>],
    groups: &[Vec<usize>],
) -> String {
    let name = |method: usize| methods[method].name.as_str();
    if methods.len() < 2 || sets.is_empty() {
        return String::new();
    }
    let on = |sets_led: usize| match (sets_led, sets.len()) {
        (1, 1) => "the set".to_string(),
        (2, 2) => "both sets".to_string(),
        (n, all) if n == all => format!("all {n} sets"),
        (n, all) => format!("{n} of {all} sets"),
    };
    if sets.iter().all(|set| set.differences.iter().all(|d| !d.detected)) {
        let cheapest = groups[0][0];
        return format!(
            "No difference was detected on {}: use what is cheapest ({}), or ask more questions.",
            on(sets.len()),
            name(cheapest)
        );
    }
    let everywhere: Vec<usize> = groups
        .iter()
        .flatten()
        .copied()
        .filter(|method| leaders.iter().all(|best| best.contains(method)))
        .collect();
    if let Some((&first, rest)) = everywhere.split_first() {
        let others: Vec<&str> = rest.iter().map(|&method| name(method)).collect();
        let also = match &others[..] {
            [] => String::new(),
            others => format!(" The same is true of {}.", others.join(", ")),
        };
        return format!(
            "Use {}: on {} none was found to be better.{also}",
            name(first),
            on(sets.len())
        );
    }
    // Each set goes to the method that leads most of them.
    let mut best: Vec<usize> = groups.iter().flatten().copied().collect();
    let led = |method: usize| leaders.iter().filter(|best| best.contains(&method)).count();
    best.sort_by_key(|&method| std::cmp::Reverse(led(method)));
    let mut parts = Vec::new();
    let mut open: Vec<usize> = (0..sets.len()).collect();
    for method in best {
        let (own, rest): (Vec<usize>, Vec<usize>) =
            open.iter().partition(|&&set| leaders[set].contains(&method));
        if !own.is_empty() {
            let names: Vec<&str> = own.iter().map(|&set| sets[set].name.as_str()).collect();
            parts.push(format!("{} for {}", name(method), names.join(", ")));
        }
        open = rest;
    }
    format!("It depends on the use: {}.", parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::scores::{Difference, Score, Scores};
    use serde_json::Value;

    fn set(name: &str, means: &[f64], found: &[[usize; 2]]) -> SetScores {
        let score =
            |&mean: &f64| Score { runs: vec![mean], mean, spread: None, interval: [0.0, 1.0] };
        let pairs = (0..means.len()).flat_map(|a| (a + 1..means.len()).map(move |b| [a, b]));
        let difference = |methods: [usize; 2]| Difference {
            methods,
            difference: means[methods[0]] - means[methods[1]],
            interval: [0.0, 1.0],
            p: 0.5,
            corrected: 0.5,
            detectable: None,
            detected: found.contains(&methods),
        };
        SetScores {
            name: name.into(),
            kind: "similarity",
            total: 10,
            used: 10,
            known: vec![],
            measures: vec![Scores {
                measure: "Spearman",
                methods: means.iter().map(score).collect(),
            }],
            differences: pairs.map(difference).collect(),
            sections: vec![],
            composed: vec![],
        }
    }

    fn methods(names: &[&str]) -> Vec<MethodSummary> {
        let of = |name: &&str| MethodSummary {
            name: (*name).into(),
            settings: Value::Null,
            exact: false,
            words: 1,
            dim: 1,
            runs: vec![],
        };
        names.iter().map(of).collect()
    }

    #[test]
    fn advice_follows_what_was_detected() {
        let names = methods(&["a", "b", "c"]);
        let none = [set("s", &[0.5, 0.4, 0.3], &[])];
        let told = advice(&names, &none);
        assert!(told.sentence.starts_with("No difference was detected on the set"), "{told:?}");
        assert_eq!(told.groups, [[0, 1, 2]]);
        let one =
            [set("s", &[0.5, 0.4, 0.3], &[[0, 1], [0, 2]]), set("t", &[0.5, 0.5, 0.3], &[[0, 2]])];
        let told = advice(&names, &one);
        assert_eq!(told.sentence, "Use a: on both sets none was found to be better.");
        assert_eq!(
            (told.leaders, told.groups),
            (vec![vec![0], vec![0, 1]], vec![vec![0], vec![1], vec![2]])
        );
        let split =
            [set("s", &[0.5, 0.4, 0.3], &[[0, 1]]), set("t", &[0.2, 0.5, 0.3], &[[0, 1], [0, 2]])];
        let told = advice(&names, &split);
        assert_eq!(told.sentence, "Use c: on both sets none was found to be better.");
        let apart = [
            set("s", &[0.5, 0.4, 0.3], &[[0, 1], [0, 2]]),
            set("t", &[0.2, 0.5, 0.3], &[[0, 1], [1, 2]]),
        ];
        let told = advice(&names, &apart);
        assert_eq!(told.sentence, "It depends on the use: a for s; b for t.");
    }
}
