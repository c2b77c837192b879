"""Lines of access logs as S3 and CloudFront write them."""

from datetime import datetime


def s3_line(
    number: int,
    key: str,
    at: datetime,
    *,
    status: int = 200,
    sent: str = "100",
    size: str = "100",
    ip: str = "192.0.2.3",
    query: str = "X-Amz-Signature=x",
    authentication: str = "QueryString",
    operation: str = "REST.GET.OBJECT",
    bucket: str = "content-generation-assets",
    agent: str = "curl/8",
) -> str:
    """One line of an S3 server access log."""
    return (
        f"79a5 {bucket} [{at:%d/%b/%Y:%H:%M:%S} +0000] {ip} arn:aws:iam::1:user/api "
        f'ID{number:014d} {operation} {key} "GET /{key}?{query} HTTP/1.1" {status} - '
        f'{sent} {size} 12 10 "-" "{agent}" - hostid= SigV4 ECDHE {authentication} '
        f"{bucket}.s3.amazonaws.com TLSv1.2 - -"
    )


HEADER = (
    "#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method "
    "cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query cs(Cookie) "
    "x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes "
    "time-taken sc-content-len\n"
)


def cdn_line(
    number: int,
    key: str,
    at: datetime,
    *,
    status: str = "200",
    result: str = "Hit",
    method: str = "GET",
    ip: str = "192.0.2.9",
    sent: int = 400,
) -> str:
    """One line of a CloudFront standard log under ``HEADER``."""
    told = (
        *(f"{at:%Y-%m-%d}", f"{at:%H:%M:%S}", "FRA2", str(sent), ip, method),
        *("d1.cloudfront.net", f"/{key}", status, "-", "Mozilla/5.0", "-", "-"),
        *(result, f"cdn{number}==", "d1.cloudfront.net", "https", "23", "0.1", "100"),
    )
    return "\t".join(told)
