enum WardPolicyPlaceholder {}
