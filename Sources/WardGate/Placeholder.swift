enum WardGatePlaceholder {}
