extension WatchKnowledge {
    /// Takes an answer to an alert: it was expected, of this account or of everybody in the role.
    ///
    /// - Returns: false for rules that never learn, and where the last step was taken.
    mutating func learn(_ rule: WatchRule, of subject: String) -> Bool {
        guard rule.canLearn else { return false }
        if let place = lessons.firstIndex(where: { $0.rule == rule && $0.subject == subject }) {
            guard lessons[place].steps < WatchLesson.most else { return false }
            lessons[place].steps += 1
        } else {
            lessons.append(WatchLesson(rule: rule, subject: subject, steps: 1))
        }
        return true
    }
}
