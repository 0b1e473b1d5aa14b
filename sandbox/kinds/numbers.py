"""The numbers that fields have in protobuf, of the kinds that kubectl sends so: what `create`
makes, reviews, tokens. A field without a number here is left out.

https://github.com/kubernetes/apimachinery/blob/v0.36.3/pkg/apis/meta/v1/generated.proto
https://github.com/kubernetes/api/blob/v0.36.3/core/v1/generated.proto, and so for other groups
"""

from __future__ import annotations

from functools import cache

OBJECT = "1 metadata 2 spec 3 status"
NUMBERS = {
    "ObjectMeta": "1 name 2 generateName 3 namespace 5 uid 6 resourceVersion 11 labels "
    "12 annotations 13 ownerReferences 14 finalizers",
    "OwnerReference": "1 kind 3 name 4 uid 5 apiVersion 6 controller 7 blockOwnerDeletion",
    "LabelSelector": "1 matchLabels 2 matchExpressions",
    "LabelSelectorRequirement": "1 key 2 operator 3 values",
    "LocalObjectReference": "1 name",
    "ConfigMap": "1 metadata 2 data 3 binaryData 4 immutable",
    "Secret": "1 metadata 2 data 3 type 4 stringData 5 immutable",
    "Namespace": OBJECT,
    "ServiceAccount": "1 metadata 3 imagePullSecrets 4 automountServiceAccountToken",
    "Service": OBJECT,
    "ServiceSpec": "1 ports 2 selector 3 clusterIP 4 type 5 externalIPs 7 sessionAffinity "
    "8 loadBalancerIP 10 externalName 11 externalTrafficPolicy 13 publishNotReadyAddresses "
    "17 ipFamilyPolicy 18 clusterIPs 19 ipFamilies 22 internalTrafficPolicy",
    "ServicePort": "1 name 2 protocol 3 port 4 targetPort 5 nodePort 6 appProtocol",
    "PodTemplateSpec": "1 metadata 2 spec",
    "PodSpec": "2 containers 3 restartPolicy 4 terminationGracePeriodSeconds 6 dnsPolicy "
    "7 nodeSelector 8 serviceAccountName 10 nodeName 15 imagePullSecrets 19 schedulerName",
    "Container": "1 name 2 image 3 command 4 args 5 workingDir 6 ports 7 env 8 resources "
    "14 imagePullPolicy",
    "ContainerPort": "1 name 2 hostPort 3 containerPort 4 protocol 5 hostIP",
    "EnvVar": "1 name 2 value",
    "ResourceRequirements": "1 limits 2 requests",
    "Deployment": OBJECT,
    "DeploymentSpec": "1 replicas 2 selector 3 template 4 strategy 5 minReadySeconds "
    "6 revisionHistoryLimit 7 paused 9 progressDeadlineSeconds",
    "DeploymentStrategy": "1 type",
    "Job": OBJECT,
    "JobSpec": "1 parallelism 2 completions 3 activeDeadlineSeconds 4 selector 6 template "
    "7 backoffLimit",
    "Role": "1 metadata 2 rules",
    "ClusterRole": "1 metadata 2 rules 3 aggregationRule",
    "AggregationRule": "1 clusterRoleSelectors",
    "PolicyRule": "1 verbs 2 apiGroups 3 resources 4 resourceNames 5 nonResourceURLs",
    "RoleBinding": "1 metadata 2 subjects 3 roleRef",
    "ClusterRoleBinding": "1 metadata 2 subjects 3 roleRef",
    "Subject": "1 kind 2 apiGroup 3 name 4 namespace",
    "RoleRef": "1 apiGroup 2 kind 3 name",
    "SelfSubjectAccessReview": "1 metadata 2 spec",
    "SubjectAccessReview": "1 metadata 2 spec",
    "LocalSubjectAccessReview": "1 metadata 2 spec",
    "SubjectAccessReviewSpec": "1 resourceAttributes 2 nonResourceAttributes 3 user 4 groups 6 uid",
    "ResourceAttributes": "1 namespace 2 verb 3 group 4 version 5 resource 6 subresource 7 name",
    "NonResourceAttributes": "1 path 2 verb",
    "SelfSubjectRulesReview": "1 metadata 2 spec",
    "SelfSubjectRulesReviewSpec": "1 namespace",
    "SelfSubjectReview": "1 metadata",
    "TokenReview": "1 metadata 2 spec",
    "TokenReviewSpec": "1 token 2 audiences",
    "TokenRequest": "1 metadata 2 spec",
    "TokenRequestSpec": "1 audiences 3 boundObjectRef 4 expirationSeconds",
    "BoundObjectReference": "1 kind 2 apiVersion 3 name 4 uid",
    "DeleteOptions": "1 gracePeriodSeconds 2 preconditions 3 orphanDependents "
    "4 propagationPolicy 5 dryRun",
    "Preconditions": "1 uid 2 resourceVersion",
}


@cache
def of(type_: str) -> dict[int, str]:
    """Empty for a type that is not read from protobuf."""
    words = NUMBERS.get(type_, "").split()
    return {int(number): name for number, name in zip(words[::2], words[1::2], strict=True)}
