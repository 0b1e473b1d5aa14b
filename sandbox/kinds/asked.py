"""Kinds that are sent and answered but never stored, in the same notation.

https://github.com/kubernetes/api/blob/v0.36.3/authorization/v1/types.go
https://github.com/kubernetes/api/blob/v0.36.3/authentication/v1/types.go
"""

TYPES = """
SelfSubjectAccessReview: spec:SubjectAccessReviewSpec
SubjectAccessReview: spec:SubjectAccessReviewSpec
LocalSubjectAccessReview: spec:SubjectAccessReviewSpec
SubjectAccessReviewSpec: resourceAttributes:ResourceAttributes
  nonResourceAttributes:NonResourceAttributes user groups:[str] uid
ResourceAttributes: namespace verb group version resource subresource name
NonResourceAttributes: path verb
SelfSubjectRulesReview: spec:SelfSubjectRulesReviewSpec
SelfSubjectRulesReviewSpec: namespace
SelfSubjectReview:
TokenReview: spec:TokenReviewSpec
TokenReviewSpec: token audiences:[str]
TokenRequest: spec:TokenRequestSpec
TokenRequestSpec: audiences:[str] expirationSeconds:long boundObjectRef:BoundObjectReference
BoundObjectReference: kind apiVersion name uid
DeleteOptions: gracePeriodSeconds:long preconditions:Preconditions orphanDependents:bool
  propagationPolicy dryRun:[str]
Preconditions: uid resourceVersion
"""
