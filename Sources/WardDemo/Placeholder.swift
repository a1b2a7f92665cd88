enum WardDemoPlaceholder {}
