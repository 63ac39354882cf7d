class GradientCheck: pass
def check_gradient(): pass
